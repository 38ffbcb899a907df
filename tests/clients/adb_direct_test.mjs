// Simulated phones against @yume-chan/adb, an ADB client written from scratch in TypeScript, over TCP without a server.
//
//   npm ci && DROVER_BIN=.../drover node --test adb_direct_test.mjs

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import {
  Adb, adbGeneratePublicKey, AdbDaemonTransport, AdbPacket, AdbPacketSerializeStream, AdbSignatureAuthenticator,
} from "@yume-chan/adb";
import { ReadableStream, StructDeserializeStream, WritableStream } from "@yume-chan/stream-extra";

const drover = process.env.DROVER_BIN ?? "drover";
const folder = mkdtempSync(join(tmpdir(), "drover-client-"));
const running = [];
const sockets = [];

async function simulate(...args) {
  const child = spawn(drover, ["sim", "--json", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  running.push(child);
  const [line] = await once(createInterface(child.stdout), "line");
  return JSON.parse(line).first;
}

// A TCP connection as the client's transport wants it: packets in, serialized packets out.
async function open(address) {
  const [host, port] = address.split(":");
  const socket = connect({ host, port: Number(port), noDelay: true });
  sockets.push(socket);
  await once(socket, "connect");
  const bytes = new ReadableStream({
    start(controller) {
      socket.on("data", (data) => controller.enqueue(new Uint8Array(data)));
      socket.on("close", () => { try { controller.close(); } catch { /* cancelled already */ } });
      socket.on("error", () => {});
    },
    cancel() { socket.destroy(); },
  });
  const packets = new AdbPacketSerializeStream();
  packets.readable.pipeTo(new WritableStream({
    write: (chunk) => chunk.tryConsume((data) => new Promise((done) => socket.write(data, done))),
    close() { socket.end(); },
  })).catch(() => {});
  return { readable: bytes.pipeThrough(new StructDeserializeStream(AdbPacket)), writable: packets.writable };
}

async function log_in(address, keys = []) {
  const transport = await AdbDaemonTransport.authenticate({
    serial: address,
    connection: await open(address),
    credentialStore: { iterateKeys: () => keys.map((buffer) => ({ buffer })) },
    // Not the one that sends a public key and then waits for somebody at the phone.
    authenticators: [AdbSignatureAuthenticator],
  });
  return new Adb(transport);
}

let address;

before(async () => { address = await simulate("--phones", "2"); });

after(() => {
  for (const socket of sockets) socket.destroy();
  for (const child of running) child.kill();
  rmSync(folder, { recursive: true });
});

test("output, errors and exit code are apart", async () => {
  const adb = await log_in(address);
  assert.equal(adb.banner.model, "Drover Sim");
  const result = await adb.subprocess.shellProtocol.spawnWaitText("getprop ro.serialno; no-such-command; exit 7");
  assert.equal(result.stdout, "SIM00000000\n");
  assert.equal(result.stderr, "/system/bin/sh: no-such-command: inaccessible or not found\n");
  assert.equal(result.exitCode, 7);
  await adb.close();
});

test("large output and many commands at once", async () => {
  const adb = await log_in(address);
  const sizes = [1, 1_000, 300_000, 5_000_000];
  const results = await Promise.all(sizes.map((size) => adb.subprocess.shellProtocol.spawnWait(`gen ${size}`)));
  assert.deepEqual(results.map((result) => result.stdout.length), sizes);
  assert.deepEqual(results.map((result) => result.exitCode), [0, 0, 0, 0]);
  await adb.close();
});

test("without shell_v2's packets", async () => {
  const adb = await log_in(address);
  assert.equal(await adb.subprocess.noneProtocol.spawnWaitText("echo plain"), "plain\n");
  await adb.close();
});

test("only an accepted key is let in", async () => {
  const make_key = () => new Uint8Array(
    generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "der" }));
  const key = make_key();
  const file = join(folder, "adb_keys");
  writeFileSync(file, Buffer.from(adbGeneratePublicKey(key)).toString("base64") + " test\n");
  const locked = await simulate("--phones", "1", "--auth", file);
  const adb = await log_in(locked, [make_key(), key]);
  const result = await adb.subprocess.shellProtocol.spawnWaitText("whoami");
  assert.equal(result.stdout, "shell\n");
  await adb.close();
  await assert.rejects(log_in(locked, [make_key()]), /No authenticator/);
});
