// What a page computes, without a browser: node steps.mjs SERIATIM.JS SERIATIM.WASM MODEL. On standard input JSON,
// {sequences, float32}: whether frames are Float32Arrays. Writes log-probabilities after every frame of every sequence as
// JSON, or what the model is refused with.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [script, ...files] = process.argv.slice(2);
const { Classifier } = await import(pathToFileURL(script));
const [code, model] = await Promise.all(files.map(async (path) => (await readFile(path)).buffer));
let text = "";
for await (const part of process.stdin) text += part;
try {
  const classifier = await Classifier.from(model, code);
  const { sequences, float32 } = JSON.parse(text);
  const said = sequences.map((sequence) => {
    classifier.reset();
    return sequence.map((frame) => Array.from(classifier.step(float32 ? Float32Array.from(frame) : frame)));
  });
  process.stdout.write(JSON.stringify({ classes: classifier.classes, said }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: error.message }));
}
