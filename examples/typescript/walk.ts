// A parent's whole path: login by a code, child, consent, parent, signature, progress as it happens, the account.
// Every request to Kinbind goes through the client that is generated from docs/openapi.json: a path, a field or a
// parameter that does not exist is an error of the compiler.
import { randomUUID } from "node:crypto";
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./kinbind.js";

const setting = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; see README.md`);
  return value;
};
const email = setting("EMAIL");
const parentId = setting("PARENT_ID");
const childId = setting("CHILD_ID");
const level = setting("CHILD_LEVEL") as components["schemas"]["StudentBody"]["level"];
const school = setting("CHILD_SCHOOL");

const api = createClient<paths>({ baseUrl: setting("KINBIND_URL") });

// The session's token goes with every request, and the language that the parent reads.
let token = "";
const asParent: Middleware = {
  onRequest({ request }) {
    if (token) request.headers.set("authorization", `Bearer ${token}`);
    request.headers.set("accept-language", "en");
    return request;
  },
};
api.use(asParent);

// Another key for each wish. A request whose answer was lost is sent again with the key it had.
const once = () => ({ header: { "idempotency-key": randomUUID() } });

// The answer's content, or an error with the problem's stable code.
function must<T>({ data, error }: { data?: T; error?: { code?: string; detail?: string } }): T {
  if (error) throw new Error(`${error.code}: ${error.detail}`);
  return data as T;
}

// What a parent does with a phone in the hand: reads the code that has just come to the development mailbox.
async function codeFor(contact: string): Promise<string> {
  const address = `${setting("KINBIND_MAILBOX")}/mailbox.json?to=${encodeURIComponent(contact)}`;
  for (let tries = 0; tries < 100; tries++) {
    const mails = (await (await fetch(address)).json()) as { code: string }[];
    const code = mails.find((mail) => mail.code)?.code;
    if (code) return code;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("no code has come");
}

async function logIn(): Promise<void> {
  const asked = must(
    await api.POST("/api/v1/codes", { params: once(), body: { channel: "email", contact: email } }),
  );
  const code = await codeFor(email);
  const session = must(
    await api.POST("/api/v1/sessions", { params: once(), body: { attempt: asked.attempt, code } }),
  );
  token = session.token;
  console.log(`logged in as ${asked.contact_masked}; next: ${session.next}`);
}

async function fillIn(): Promise<void> {
  must(await api.POST("/api/v1/id-numbers/check", { body: { national_id: childId } }));
  const schools = must(await api.GET("/api/v1/schools", { params: { query: { level, q: school, limit: 10 } } }));
  const chosen = schools[0];
  if (!chosen) throw new Error(`no school is called ${school}`);
  must(
    await api.POST("/api/v1/draft/students", {
      params: once(),
      body: { relation: "mother", level, national_id: childId, school_id: chosen.id },
    }),
  );
  const statement = must(await api.GET("/api/v1/statement"));
  must(await api.PUT("/api/v1/draft/consent", { body: { version: statement.version } }));
  must(await api.PUT("/api/v1/draft/parent/id", { body: { national_id: parentId } }));
  const draft = must(
    await api.PUT("/api/v1/draft/parent", { body: { name: "林淑芬", email, phone: "0912-345-678" } }),
  );
  const child = draft.students[0];
  console.log(`filled in for ${child?.name} of ${child?.school}; missing: ${draft.missing}`);
}

async function send(): Promise<void> {
  const strokes: [number, number][][] = [
    [[80, 90], [110, 130], [150, 80], [190, 140], [240, 85], [300, 130], [360, 90], [420, 140], [500, 95]],
  ];
  const sent = must(await api.POST("/api/v1/applications", { params: once(), body: { signature: { strokes } } }));
  console.log(`sent as ${sent.number}`);
}

// Server-sent events, read with the bearer token. With a session as a cookie, a browser's EventSource reads them too.
async function* states(): AsyncGenerator<string> {
  const { data, error } = await api.GET("/api/v1/bindings/events", { parseAs: "stream" });
  if (error || !data) throw new Error("no stream");
  let text = "";
  for await (const part of data.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
    text += part;
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const id = event.split("\n").find((line) => line.startsWith("id: "));
      if (id) yield id.slice("id: ".length);
    }
  }
}

async function waitForTheSchool(): Promise<void> {
  for await (const version of states()) {
    const bindings = must(await api.GET("/api/v1/bindings"));
    console.log(`${version}: ${bindings.map((one) => `${one.student} ${one.state_label}`).join(", ")}`);
    if (bindings.every((one) => one.state === "approved")) return;
  }
  throw new Error("the stream has ended");
}

async function useTheAccount(): Promise<void> {
  must(await api.DELETE("/api/v1/sessions/current"));
  token = "";
  const first = { login: email, password: parentId.slice(-6) };
  const session = must(await api.POST("/api/v1/account/sessions", { params: once(), body: first }));
  token = session.token;
  console.log(`signed in with the first password; next: ${session.next}`);
  must(await api.PUT("/api/v1/account/password", { body: { password: `${randomUUID()} is mine` } }));
  const children = must(await api.GET("/api/v1/account/family"));
  for (const child of children) console.log(`${child.name}, ${child.class_name}: ${child.state_label}`);
}

await logIn();
await fillIn();
await send();
await waitForTheSchool();
await useTheAccount();
process.exit(0);
