// Runs a classifier that Python's seriatim.save wrote, with the library's own kernels: seriatim.wasm, which `make web` makes.
//
//   const classifier = await load("model.safetensors", "seriatim.wasm");
//   classifier.reset();
//   classifier.step([0.3, -0.2]);   // log-probabilities after every frame, in the order of classifier.classes
//
// The bits are those of Python at the level "baseline". What runs are GRU and LSTM
// classifiers, FrameClassifier and DeepGRU, in one direction, as they are trained with bidirectional=False and n_estimators=1.

/** Fetch a model and the kernels. Attention keeps the frames of a sequence: so many at most. */
export async function load(model, wasm, frames = 4096) {
  const [file, code] = await Promise.all([model, wasm].map(async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address}: ${answer.status} ${answer.statusText}`);
    return answer.arrayBuffer();
  }));
  return Classifier.from(file, code, frames);
}

export class Classifier {
  /** Of the bytes of a file and of the kernels. */
  static async from(file, code, frames = 4096) {
    const { instance } = await WebAssembly.instantiate(code);
    return new Classifier(read(file), new Network(instance.exports), frames);
  }

  constructor(file, network, frames) {
    const fitted = file.tree.fitted;
    if (!fitted?.module_) throw new Error(`expected a fitted classifier, got ${file.tree.class}`);
    if (fitted.preprocessing_) throw new Error("preprocessing: a page has only scaling; train with preprocessing=None");
    if (fitted.module_.config?.head === "linear") throw new Error("a page has classifiers of one label a sequence, or a frame");
    this.classes = labels(fitted.classes_, file);
    this.features = fitted.n_features_in_;
    this.#scale = scaling(fitted.scaling_, file);
    build(fitted.module_, file, network);
    this.#network = network;
    this.#input = network.begin(this.features, frames);
  }

  #network;
  #input;
  #scale;

  /** Forget what was seen: the next frame is the first of a sequence. */
  reset() {
    this.#network.reset();
  }

  /** Log-probabilities after one more frame; the array is the network's own, and the next step writes to it. */
  step(frame) {
    if (frame.length !== this.features) throw new Error(`expected a frame of ${this.features}, got ${frame.length}`);
    const place = Array.prototype.findIndex.call(frame, (value) => !Number.isFinite(value));
    if (place >= 0) throw new Error(`frame[${place}]: expected a finite number, got ${frame[place]}`);
    this.#scale(frame, this.#input);
    return this.#network.step();
  }
}

// ---- Files

/** The tree that says what the estimator is, and the tensors by name. */
export function read(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const text = header.__metadata__?.seriatim;
  if (!text) throw new Error("expected a file that seriatim.save wrote, got one that does not say what it holds");
  return {
    tree: parsed(text).model,
    tensor(name) {
      if (!(name in header)) return null;
      const { dtype, data_offsets: [begin, end] } = header[name];
      const array = { F32: Float32Array, F64: Float64Array, I64: BigInt64Array, I32: Int32Array }[dtype] ?? Uint8Array;
      // Copied, so that it begins where an array of its type may.
      return new array(buffer.slice(8 + size + begin, 8 + size + end));
    },
  };
}

// Python writes numbers that JSON has not, in a history of losses for one. Nothing here asks for them.
function parsed(text) {
  return JSON.parse(text.replace(/("(?:[^"\\]|\\.)*")|-?Infinity|NaN/g, (found, string) => string ?? "null"));
}

// Class labels as text: NumPy keeps strings in UTF-32, of one width.
function labels(node, file) {
  if (node.objects) return node.objects.map(String);
  const values = file.tensor(node.tensor);
  if (node.dtype?.[1] !== "U") return Array.from(values, String);
  const codes = new Uint32Array(values.buffer);
  const width = Number(node.dtype.slice(2));
  return Array.from({ length: node.shape[0] }, (_, i) =>
    String.fromCodePoint(...codes.subarray(i * width, (i + 1) * width).filter((code) => code)));
}

// What writes a frame as the network takes it, `(x - shift_) * scale_`: in double, rounded once; or in float32, as Python
// does it, if the frame is a Float32Array and what was learned from was float32.
function scaling(node, file) {
  if (!node) return (frame, input) => input.set(frame);
  const known = ["Standardize", "Center", "MinMaxScale"];
  if (!known.includes(node.class) || node.parameters.over !== "training") {
    throw new Error(`scaling: a page has ${known.join(", ")} over the training data, got ${node.class}`);
  }
  const [shift, scale] = ["shift_", "scale_"].map((name) => Float64Array.from(file.tensor(node.fitted[name].tensor)));
  const [shift32, scale32] = [shift, scale].map((values) => Float32Array.from(values));
  const fits = [shift, scale].every((values) => values.every((value) => value === Math.fround(value)));
  return (frame, input) => {
    if (fits && frame instanceof Float32Array) {
      for (let i = 0; i < input.length; i++) input[i] = Math.fround(frame[i] - shift32[i]) * scale32[i];
    } else {
      for (let i = 0; i < input.length; i++) input[i] = (frame[i] - shift[i]) * scale[i];
    }
  };
}

// ---- Networks

const GRU = 0, LSTM = 1;
const RESET_BEFORE = 1;
const MEAN = 1, GREATEST = 2, POSITIVE = 4;
const RELU = 1;
const FULL = 4;
const NORM = ["running_mean", "running_var", "weight", "bias"];
const LAYER = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];

function build({ class: kind, config, state, children }, file, network) {
  const of = (name) => file.tensor(state + name);
  const child = (name) => children.find(([own]) => own === name)[1].config;
  if (config.bidirectional) throw new Error("a stream runs forwards: train with bidirectional=False");
  const pooling = config.pooling?.tuple ?? [];
  if (kind === "SequenceRNN") {
    stack(network, config.rnn, child("rnn"), (name) => of(`rnn.${name}`));
    const size = config.hidden_size;
    if (pooling.includes("last")) network.last(size, 0);
    const columns = pool(network, size, pooling, pooling.includes("last") ? size : 0);
    network.gathered(size, columns);
    network.linear(columns, config.n_outputs, of("classifier.1.weight"), of("classifier.1.bias"));
  } else if (kind === "FrameRNN") {
    // Rows all the way: nothing is gathered.
    const [size, frames] = [config.hidden_size, config.convolution];
    if (frames) {
      network.window(config.input_size, frames);
      network.linear(frames * config.input_size, size, of("window.linear.weight"), of("window.linear.bias"));
      network.activation(size, RELU);
    }
    stack(network, config.rnn, child("rnn"), (name) => of(`rnn.${name}`));
    network.linear(size, config.n_outputs, of("classifier.1.weight"), of("classifier.1.bias"));
  } else if (kind === "DeepGRU") {
    // What attention finds comes first; then what is pooled of each level.
    const dims = Object.fromEntries(config.dims.dict);
    const size = dims.gru3;
    let columns = 2 * size;
    for (const level of ["gru1", "gru2", "gru3"]) {
      stack(network, "gru", child(level), (name) => of(`${level}.${name}`));
      columns = pool(network, dims[level], pooling, columns);
    }
    const weights = LAYER.map((name) => of(`attention.gru.${name}_l0`));
    network.attention(size, 0, of("attention.query.weight"), ...weights);
    network.gathered(size, columns);
    const norm = (index, width) => network.batch_norm(width, ...NORM.map((name) => of(`classifier.${index}.${name}`)), 1e-5);
    norm(0, columns);
    network.linear(columns, dims.fc, of("classifier.2.weight"), of("classifier.2.bias"));
    network.activation(dims.fc, RELU);
    norm(4, dims.fc);
    network.linear(dims.fc, config.n_classes, of("classifier.6.weight"), of("classifier.6.bias"));
  } else {
    throw new Error(`expected the network of one classifier, got ${kind}: train with n_estimators=1`);
  }
  network.log_softmax(config.n_outputs ?? config.n_classes);
}

// The layers of nn.GRU or nn.LSTM.
function stack(network, kind, config, of) {
  const isPlain = !config.norm && !config.proj_size && !config.peephole;
  if (!isPlain || !["gru", "lstm"].includes(kind)) throw new Error(`${kind}: a page has GRU and LSTM, without options`);
  const options = config.reset_after === false ? RESET_BEFORE : 0;
  for (let layer = 0; layer < config.num_layers; layer++) {
    const weights = LAYER.map((name) => of(`${name}_l${layer}`));
    const inputs = layer ? config.hidden_size : config.input_size;
    network.recurrent(kind === "gru" ? GRU : LSTM, options, inputs, config.hidden_size, ...weights);
  }
}

// Pools over time, behind so many columns of features; how many there are then.
function pool(network, size, pooling, columns) {
  const kinds = [["mean", MEAN], ["max", GREATEST], ["positive", POSITIVE]].filter(([name]) => pooling.includes(name));
  if (kinds.length) network.pool(size, kinds.reduce((sum, [, bit]) => sum + bit, 0), columns);
  return columns + kinds.length * size;
}

// Calls of seriatim.wasm (Sources/SeriatimWeb/web.c) with arrays, or null, in the place of addresses.
class Network {
  #wasm;
  #output;

  constructor(exports) {
    this.#wasm = exports;
    const stages = ["window", "recurrent", "linear", "batch_norm", "activation", "log_softmax", "last", "pool", "attention"];
    for (const stage of [...stages, "gathered"]) {
      this[stage] = (...given) => this.#check(exports[stage](...given.map((value) => this.#place(value))));
    }
  }

  #place(value) {
    if (typeof value === "number") return value;
    if (!value) return 0;
    const place = this.#wasm.room(value.byteLength);
    if (!place) throw new Error("the page has no memory for the model");
    this.#floats(place, value.length).set(value);
    return place;
  }

  #floats(place, count) {
    return new Float32Array(this.#wasm.memory.buffer, place, count);
  }

  #check(status) {
    if (status) throw new Error(`the kernels refuse this (status ${status})`);
  }

  // Makes the stream ready. Gives the frame that step() takes.
  begin(features, frames) {
    this.#check(this.#wasm.begin(frames));
    // Memory does not grow any more, so views of it last.
    this.#output = this.#floats(this.#wasm.output(), this.#wasm.outputs());
    return this.#floats(this.#wasm.input(), features);
  }

  reset() {
    this.#wasm.reset();
  }

  step() {
    const status = this.#wasm.step();
    if (status === FULL) throw new Error("attention looks at all frames, and there is no room for more: reset, or load with more frames");
    this.#check(status);
    return this.#output;
  }
}
