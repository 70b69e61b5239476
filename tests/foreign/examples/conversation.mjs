// How an example talks with the test that runs it: lines of JSON, one at a time, each answered by one.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(question) {
  process.stdout.write(JSON.stringify(question) + "\n");
  return JSON.parse((await lines.next()).value);
}

// Send the holder's browser to an address; the answer is the address it comes back to.
export const browse = (address) => ask({ browse: String(address) });

// Show an operator where to go and what to type there.
export const show = (address, code) => ask({ show: { address, code } });

// Run an example with what the test hands it, and tell how it ended.
export async function run(examples) {
  const { example, ...given } = JSON.parse((await lines.next()).value);
  let end;
  try {
    end = { done: await examples[example](given) };
  } catch (error) {
    end = { refused: { name: error.name, code: error.error ?? error.code ?? null, message: described(error) } };
  }
  process.stdout.write(JSON.stringify(end) + "\n", () => process.exit());
}

function described(error) {
  return error.cause ? `${error.message}: ${error.cause.message ?? JSON.stringify(error.cause)}` : error.message;
}
