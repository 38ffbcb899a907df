// One command on each phone of a local adb server through @devicefarmer/adbkit, 64 at once.
//   node adbkit.js PORT COMMAND ROUNDS
import adbkit from '@devicefarmer/adbkit';

const { Adb } = adbkit;

const [port, command, rounds] = process.argv.slice(2);
const client = Adb.createClient({ port: Number(port) });
const devices = await client.listDevices();
const rates = [];
for (let round = 0; round < Number(rounds); round++) {
  const begin = process.hrtime.bigint();
  let next = 0;
  let answered = 0;
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      while (next < devices.length) {
        const { id } = devices[next++];
        const stream = await client.getDevice(id).shell(command);
        const output = await Adb.util.readAll(stream);
        if (output.length > 0) answered++;
      }
    }),
  );
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  if (answered !== devices.length) throw new Error(`${answered} of ${devices.length} answered`);
  rates.push(Math.round(devices.length / seconds));
}
console.log(JSON.stringify({ devices: devices.length, jobs_per_s: rates }));
