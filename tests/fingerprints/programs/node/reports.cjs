// Writes reports.
"use strict";
const { execFile } = require("node:child_process");
const fs = require("node:fs");
const { promisify } = require("node:util");

exports.readTemplate = (path) => fs.readFileSync(path, "utf8");

exports.readTemplateLater = (path) =>
  new Promise((resolve, reject) => {
    fs.readFile(path, (error, content) => (error ? reject(error) : resolve(content)));
  });

exports.readFolder = (path) => fs.readFileSync(path);

exports.openBelowFile = (path) => fs.openSync(path, "r");

exports.decode = (content) => new TextDecoder("utf-8", { fatal: true }).decode(content);

exports.decodeAddress = (text) => decodeURIComponent(text);

exports.convert = (document, code) =>
  promisify(execFile)("sh", ["-c", `exit ${code}`, document]);

exports.pattern = (text) => new RegExp(text);

exports.render = function render(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name].toString());
};

exports.formatter = (currency) => new Intl.NumberFormat("en", { style: "currency", currency });
