// Prints a line for each message of a stream: npm install zeromq @msgpack/msgpack fzstd
// node read_masks.mjs tcp://127.0.0.1:5556, or a file of messages such as tests/golden/messages.msgpack
import { readFileSync } from "node:fs";
import { decode } from "@msgpack/msgpack";
import { decompress } from "fzstd";

const MAX_CELLS = 4096 * 4096;

async function* messages(where) {
  if (!where.includes("://")) {
    yield* decode(readFileSync(where));
    return;
  }
  const { Subscriber } = await import("zeromq");
  const socket = new Subscriber();
  socket.subscribe("hpm1/");
  socket.connect(where);
  yield* socket;
}

function cells(body, encoding, count) {
  if (count > MAX_CELLS || !["zstd", "raw"].includes(encoding)) {
    throw new Error(`a map of ${count} cells as ${encoding}`);
  }
  return encoding === "raw" ? body : decompress(body, new Uint8Array(count));
}

let names = [];
for await (const [topic, packed, ...bodies] of messages(process.argv[2])) {
  const [, stream, kind] = Buffer.from(topic).toString().split("/");
  const header = decode(packed);
  let line = `${stream} ${kind}`;
  if (kind === "schema") {
    names = header.classes.map((each) => each.name);
    line += ` ${header.label_set.name}: ${names.join(", ")}`;
  } else if (kind === "mask") {
    const [height, width] = header.map_size;
    const at = header.layers.findIndex((layer) => layer.name === "labels");
    const labels = cells(bodies[at], header.layers[at].encoding, height * width);
    const counts = new Array(names.length).fill(0);
    for (const label of labels) counts[label] += 1;
    const people = header.people.map((each) => `${each.id} at ${each.box.join(",")}`);
    const shares = counts
      .map((count, k) => [k, `${names[k]} ${((100 * count) / labels.length).toFixed(2)}%`])
      .filter(([k]) => k > 0 && counts[k] > 0);
    line += ` ${header.frame}: ${[...people, ...shares.map(([, text]) => text)].join("; ") || "nobody"}`;
  } else if (kind === "end") {
    line += `: ${header.reason}`;
  }
  console.log(line);
  if (kind === "end") break;
}
