/*
 * One client of Node.js that writes through a failover: node writer.mjs KIND FOLDER KEY BEAT FIRST HOST:PORT...
 *
 * The same writer and the same record as writer.py; process.hrtime is the same CLOCK_MONOTONIC. FOLDER is where
 * npm has put the clients.
 */

import fs from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const MASTER = "mymaster";
const LIMIT = 1000; // ms for a connect and of silence on a node's connection, as in writer.py
const PAUSE = 5; // ms before a number that failed is written again
const GATHERED = 64;

const [kind, folder, key, length, first, ...words] = process.argv.slice(2);
const require = createRequire(folder + "/");
const sentinels = words.map((word) => {
  const colon = word.lastIndexOf(":");
  return { host: word.slice(0, colon), port: Number(word.slice(colon + 1)) };
});

// An error outside of a command is no command's error: not the application's, but without a listener it ends us.
const ignore = () => {};

async function ioredis(failoverDetector) {
  const { Redis } = require("ioredis");
  const limits = { connectTimeout: LIMIT, socketTimeout: LIMIT };
  const client = new Redis({ sentinels, name: MASTER, failoverDetector, ...limits });
  client.on("error", ignore);
  return (number) => client.rpush(key, number);
}

async function nodeRedis() {
  const { createSentinel } = require("redis");
  const client = createSentinel({
    name: MASTER,
    sentinelRootNodes: sentinels,
    nodeClientOptions: { socket: { connectTimeout: LIMIT, socketTimeout: LIMIT } },
    // No limit of silence here: a subscription is silent where nothing happens.
    sentinelClientOptions: { socket: { connectTimeout: LIMIT } },
  });
  client.on("error", ignore);
  await client.connect();
  return (number) => client.rPush(key, String(number));
}

const clients = { ioredis: () => ioredis(false), "ioredis-detector": () => ioredis(true), "node-redis": nodeRedis };

let lines = "";
let gathered = 0;

function note(line, atOnce) {
  lines += line;
  gathered += 1;
  if (atOnce || gathered >= GATHERED) {
    fs.writeSync(1, lines);
    lines = "";
    gathered = 0;
  }
}

// A server's error by its first word, as READONLY; any other by its code or class.
const name = (error) => error?.message?.match(/^[A-Z]{5,}(?= )/)?.[0] ?? error?.code ?? error?.constructor?.name;

const push = await clients[kind]();
const beat = BigInt(Math.round(Number(length) * 1e9));
let due = process.hrtime.bigint();
for (let number = Number(first); ; number += 1) {
  const now = process.hrtime.bigint();
  due += beat;
  if (due < now) due += ((now - due) / beat + 1n) * beat;
  await sleep(Number(due - now) / 1e6);
  for (;;) {
    try {
      await push(number);
      break;
    } catch (error) {
      note(`e ${number} ${process.hrtime.bigint()} ${name(error)}\n`, true);
      await sleep(PAUSE);
    }
  }
  note(`a ${number} ${process.hrtime.bigint()}\n`, false);
}
