// Every page works without this. With it, pages stay where they are while their content changes.
import { startCopying } from "./copying.js";
import { startDialogs } from "./dialogs.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startTimes } from "./times.js";
import { startVisits } from "./visits.js";

document.documentElement.classList.add("scripted");
startTimes();
startVisits();
startDialogs();
startCopying();
startKeys();
startLive();
