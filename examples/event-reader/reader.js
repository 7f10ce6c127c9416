// Prints one line for each parent and child who were bound, until it is stopped.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "amqplib";

const APPROVED = "kinbind.binding.approved.v1";
const url = new URL(process.env.EVENTS_URL); // amqps://reader-NAME:PASSWORD@HOST:PORT/VHOST
url.searchParams.set("heartbeat", "10"); // seconds; a line that is dead is noticed after two of them
const queue = `${decodeURIComponent(url.username)}.events`;

// The ids of the events that it has had. A program with a database keeps them there, in the transaction of its effect.
const file = process.env.EVENTS_HAD ?? "had.txt";
const had = new Set(existsSync(file) ? readFileSync(file, "utf8").split("\n") : []);

function take(event) {
  if (had.has(event.id)) return;
  if (event.type !== APPROVED) throw new Error(`an event of type ${event.type}`);
  const { version, student_id, school_id, settled_at } = event.data;
  const when = settled_at ?? event.time;
  console.log(`binding ${event.subject} version ${version} approved ${when} student ${student_id} school ${school_id}`);
  had.add(event.id);
  appendFileSync(file, `${event.id}\n`);
}

function settle(channel, message) {
  try {
    take(JSON.parse(message.content.toString("utf8")));
  } catch (fault) {
    console.error(`set aside ${message.properties.messageId} (${fault.name})`); // its text may quote the message
    channel.reject(message, false); // into the queue of what was rejected; true would bring it back at once, for ever
    return;
  }
  channel.ack(message); // only now: what was not acknowledged comes again
}

async function readUntilLost() {
  const connection = await connect(url.href, { timeout: 10_000 });
  const lost = new Promise((resolve) => connection.on("close", resolve));
  connection.on("error", (fault) => console.error(`connection: ${fault.message}`));
  try {
    const channel = await connection.createChannel();
    channel.on("error", (fault) => console.error(`channel: ${fault.message}`));
    const closed = new Promise((resolve) => channel.on("close", resolve));
    await channel.checkQueue(queue); // it is the operator who makes it
    await channel.prefetch(20);
    // Without a message the broker says that the queue is gone.
    const cancelled = new Promise((resolve) => {
      channel.consume(queue, (message) => (message ? settle(channel, message) : resolve())).catch(resolve);
    });
    await Promise.race([lost, closed, cancelled]);
  } finally {
    await connection.close().catch(() => {}); // it is closed already where it was lost
  }
}

for (;;) {
  await readUntilLost().catch((fault) => console.error(`not connected: ${fault.message}`));
  await sleep(1000);
}
