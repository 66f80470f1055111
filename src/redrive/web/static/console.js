// Every page works without this. With it, pages stay where they are while their content changes.
import { startCopying } from "./copying.js";
import { startDialogs } from "./dialogs.js";
import { startDrafts } from "./drafts.js";
import { startExpiring } from "./expiring.js";
import { startFlash } from "./flash.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startPicking } from "./picking.js";
import { startScrolling } from "./scrolling.js";
import { startSession } from "./session.js";
import { startSuggesting } from "./suggesting.js";
import { startTimes } from "./times.js";
import { startVisits } from "./visits.js";

document.documentElement.classList.add("scripted");
startTimes();
startSession();
startScrolling();
startVisits();
startFlash();
startDialogs();
startDrafts();
startPicking();
startExpiring();
startCopying();
startKeys();
startSuggesting();
startLive();
