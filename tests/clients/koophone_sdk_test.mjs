// Huawei Cloud's own SDK as a client: its core signs, sends and reads answers; the operations are KooPhone's. What
// the SDK for Java sends otherwise is in tests/signing_test.py.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

const drover = process.env.DROVER_BIN ?? "drover";
const folder = mkdtempSync(join(tmpdir(), "drover-sdk-"));
process.env.HOME = folder;  // the SDK keeps a file there
const data = join(folder, "data");
const running = [];
const PROJECT = "0123456789abcdef0123456789abcdef";

const { BasicCredentials } = (await import("@huaweicloud/huaweicloud-sdk-core")).default;
const { ClientBuilder } = (await import("@huaweicloud/huaweicloud-sdk-core/ClientBuilder.js")).default;
// It prints every refusal with the whole request otherwise.
(await import("@huaweicloud/huaweicloud-sdk-core/logger/log4jLogger.js")).default.Logger4jInstance.level = "off";

async function start(...args) {
  const child = spawn(drover, args, { stdio: ["ignore", "pipe", "inherit"] });
  running.push(child);
  const [line] = await once(createInterface(child.stdout), "line");
  return JSON.parse(line);
}

const cli = (...args) =>
  execFileSync(drover, [...args, "--data-dir", data], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

let server;
let keys;

before(async () => {
  const list = join(folder, "phones.csv");
  await start("sim", "--json", "--phones", "2", "--write-instances", list);
  ({ url: server } = await start("serve", "--json", "--http-port", "0", "--data-dir", data));
  cli("projects", "create", "shop", "--id", PROJECT);
  cli("instances", "import", list, "--project", "shop");
  cli("users", "create", "ci", "--no-password", "--role", "admin", "--project", "shop");
  const [ak, sk] = cli("keys", "create", "--user", "ci").trim().split("\n");
  keys = { ak, sk };
});

after(async () => {
  for (const child of running) {
    child.kill();
    if (child.exitCode === null) await once(child, "exit");
  }
  rmSync(folder, { recursive: true });
});

// As the services' clients, which are generated, call the core.
function client({ endpoint = server, sk = keys.sk, projectId = PROJECT } = {}) {
  const credentials = new BasicCredentials().withAk(keys.ak).withSk(sk);
  if (projectId) credentials.withProjectId(projectId);
  const core = new ClientBuilder((hc) => hc).withEndpoint(endpoint).withCredential(credentials).build();
  return (method, url, more = {}) => core.sendRequest(
    { method, url, contentType: "application/json", pathParams: {}, queryParams: {}, headers: {}, ...more });
}

async function finished(send, taskId) {
  while (true) {
    const task = await send("GET", "/v1/instances/tasks/{task_id}", { pathParams: { task_id: taskId } });
    if (task.data.jobs.every((job) => job.status !== 1)) return task.data.jobs;
  }
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("it was not refused");
}

for (const [name, projectId] of [["with a project", PROJECT], ["without", undefined]]) {
  test(`a command and what became of it, ${name}`, async () => {
    const send = client({ projectId });
    const made = await send("POST", "/v1/instances/async-command",
      { data: { command: "echo '你好 ~*()'", instance_ids: ["sim-00000", "sim-00001", "nobody"] } });
    assert.equal(made.httpStatusCode, 200);
    assert.deepEqual(made.data.cmd_jobs.map((job) => job.instance_id), ["sim-00000", "sim-00001", "nobody"]);
    const jobs = await finished(send, made.data.task_id);
    assert.deepEqual(jobs.map((job) => job.status), [2, 2, -1]);
    assert.equal(jobs[0].execute_msg, "你好 ~*()\n");
    assert.equal(jobs[2].error_code, "CPS0005");
    const synchronous = await send("POST", "/v1/instances/sync-command",
      { data: { command: "getprop ro.product.model", instance_ids: ["sim-00000"] } });
    assert.equal(synchronous.data.cmd_results[0].execute_msg, "Drover Sim\n");
  });
}

test("queries, whatever is in them", async () => {
  const send = client();
  const status = await send("POST", "/v1/instances/batch-query-status", { data: { instance_ids: ["sim-00000"] } });
  assert.deepEqual(status.data.status_results, [{ instance_id: "sim-00000", status: 2 }]);
  for (const name of ["", "a b", "*", "~", "你好", "a+b=c&d/e?", "('!)", "%41"]) {
    const query = { "x-request-id": `r ${name}`, page_no: "1", page_size: "10", instance_name: name };
    const list = await send("GET", "/v1/instances/batch-query", { queryParams: query });
    assert.equal(list.data.page_no, 1, name);
  }
  const query = { "x-request-id": "r", page_no: "1", page_size: "10" };
  const list = await send("GET", "/v1/instances/batch-query", { queryParams: query });
  assert.equal(list.data.total_count, 2);
  assert.equal(list.data.result[0].project_id, PROJECT);
  // A GET for which the SDK is told no content type has one on the wire all the same, which is not signed.
  const untold = await send("GET", "/v1/instances/batch-query", { queryParams: query, contentType: undefined });
  assert.equal(untold.data.total_count, 2);
});

test("an identical request is taken again", async () => {
  const send = client();
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const once_more = () => send("POST", "/v1/instances/async-command",
    { headers: { "X-Sdk-Date": date }, data: { command: "true", instance_ids: ["sim-00000"] } });
  assert.notEqual((await once_more()).data.task_id, (await once_more()).data.task_id);
});

test("refusals are read by the SDK", async () => {
  const command = { data: { command: "true", instance_ids: ["sim-00000"] } };
  const wrong = await refused(client({ sk: "wrong" })("POST", "/v1/instances/async-command", command));
  assert.deepEqual([wrong.name, wrong.httpStatusCode, wrong.errorCode], ["ClientRequestException", 401, "APIGW.0301"]);
  assert.match(wrong.errorMsg, /access key or the signature/);
  assert.ok(wrong.requestId);

  const late = new Date(Date.now() - 16 * 60_000).toISOString().replace(/[-:]|\.\d+/g, "");
  const stale = await refused(client()("POST", "/v1/instances/async-command",
    { ...command, headers: { "X-Sdk-Date": late } }));
  assert.deepEqual([stale.httpStatusCode, stale.errorCode], [401, "APIGW.0301"]);
  assert.match(stale.errorMsg, new RegExp(String(new Date().getUTCFullYear())), "the server says what time it has");

  const elsewhere = await refused(
    client({ projectId: "f".repeat(32) })("POST", "/v1/instances/async-command", command));
  assert.deepEqual([elsewhere.httpStatusCode, elsewhere.errorCode], [403, "KOOPHONE.API.1001"]);

  const bad = await refused(client()("POST", "/v1/instances/async-command", { data: { instance_ids: [] } }));
  assert.deepEqual([bad.httpStatusCode, bad.errorCode], [400, "KOOPHONE.API.1000"]);
  assert.match(bad.errorMsg, /command/);
  assert.ok(bad.requestId);

  const unknown = await refused(client()("GET", "/v1/instances/tasks/{task_id}",
    { pathParams: { task_id: "0".repeat(32) } }));
  assert.deepEqual([unknown.httpStatusCode, unknown.errorCode], [404, "KOOPHONE.API.1000"]);
});

// With a slash at the endpoint's end this SDK signs //v1/... and sends /v1/...: no server can verify that.
test("an endpoint that ends in a slash is refused, not misread", async () => {
  const error = await refused(client({ endpoint: server + "/" })("GET", "/v1/instances/batch-query",
    { queryParams: { "x-request-id": "r", page_no: "1", page_size: "10" } }));
  assert.equal(error.httpStatusCode, 401);
});
