// Talks to other services over sockets and HTTP.
"use strict";
const dns = require("node:dns");
const http = require("node:http");
const net = require("node:net");

exports.reserve = (host, port) =>
  new Promise((resolve, reject) => {
    net.connect(port, host).on("connect", resolve).on("error", reject);
  });

exports.locate = (host) => dns.promises.lookup(host);

exports.call = (url) =>
  new Promise((resolve, reject) => {
    http.get(url, resolve).on("error", reject);
  });

class AnswerError extends Error {
  constructor(url, status) {
    super(`${url} answered ${status}`);
    this.name = "AnswerError";
  }
}

exports.fetchJson = async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new AnswerError(url, answer.status);
  return await answer.json();
};

exports.stockOf = (body) => JSON.parse(body).stock;

exports.awaitAnswer = async (url, milliseconds) => {
  return await fetch(url, { signal: AbortSignal.timeout(milliseconds) });
};

exports.abandon = async (url, reason) => {
  const control = new AbortController();
  const waiting = fetch(url, { signal: control.signal });
  control.abort(new DOMException(`given up: ${reason}`, "AbortError"));
  return await waiting;
};

exports.throttle = (limit, used, seconds) => {
  if (used > limit) throw new Error(`${used} of ${limit} requests used; retry in ${seconds} s`);
};

exports.greet = (name) => {
  const error = new Error(`nobody is called ${name}`);
  error.stack = `Error: ${error.message}`; // as where traces are turned off
  throw error;
};
