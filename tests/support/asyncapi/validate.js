// Prints what AsyncAPI's parser has to say against each of the documents that are named, as JSON by file.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const ERROR_OR_WARNING = 1; // of Spectral's severities: 0 is an error, 2 a remark, 3 a hint
const said = {};
for (const file of process.argv.slice(2)) {
  const { diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
  said[file] = diagnostics
    .filter((each) => each.severity <= ERROR_OR_WARNING)
    .map((each) => `${each.path.join("/")}: ${each.message}`);
}
console.log(JSON.stringify(said));
