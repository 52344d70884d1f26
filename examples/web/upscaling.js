// Upscales photos tile by tile, in a worker that leaves the page responsive.
// Tiles and output are those of keras_srgan.upscale.

const RUNTIME = "./node_modules/onnxruntime-web/dist/";
// Side of the windows that the network processes, in pixels. Larger windows
// take more memory.
const WINDOW = 224;

let network = null;

// Receives a photo, or `null` to ask for the scale and the device.
self.onmessage = async ({ data: photo }) => {
  try {
    network ??= await load("model.onnx");
    if (!photo) {
      const { scale, device, note } = network;
      self.postMessage({ scale, device, note });
      return;
    }
    const large = await upscale(photo, (done) => self.postMessage({ done }));
    self.postMessage({ large }, [large.data.buffer]);
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};

// === Network ===

async function load(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(
      `This page needs ${url} in its folder. To create it: ` +
        "keras-srgan export srgan_x4_small -o model.onnx",
    );
  }
  const model = new Uint8Array(await response.arrayBuffer());
  const { scale, halo, photo, result, tolerance } = readMetadata(model);
  if (!result) {
    throw new Error(
      `${url} carries no test. Write it again with keras-srgan export.`,
    );
  }
  const test = {
    photo: await decode(photo),
    result: await decode(result),
    tolerance: Number(tolerance),
  };
  const hasCard = await self.navigator.gpu?.requestAdapter();
  let note = "";
  for (const device of hasCard ? ["webgpu", "wasm"] : ["wasm"]) {
    const runtime = await importRuntime(device);
    let off;
    // A GPU may compute incorrect results without an error.
    try {
      const session = await runtime.InferenceSession.create(model, {
        executionProviders: device === "webgpu" ? ["webgpu", "wasm"] : ["wasm"],
      });
      const loaded = { runtime, session, device, note };
      const levels = await measure(loaded, test);
      if (levels <= test.tolerance) {
        return { ...loaded, scale: Number(scale), halo: Number(halo) };
      }
      off = `${levels} levels off`;
      await session.release();
    } catch (error) {
      off = `failing (${error.message})`;
    }
    note = `The graphics card is ${off}, so the processor is used.`;
    if (device === "wasm") {
      throw new Error(
        `This browser computes wrong pictures: the processor is ${off}.`,
      );
    }
  }
}

async function importRuntime(device) {
  let runtime;
  try {
    runtime = await import(`${RUNTIME}ort.${device}.min.mjs`);
  } catch {
    throw new Error("onnxruntime-web is not installed. Run: npm install");
  }
  runtime.env.wasm.wasmPaths = new URL(RUNTIME, self.location).href;
  // Threads need a page that is isolated from others: see serve.py.
  runtime.env.wasm.numThreads = self.crossOriginIsolated
    ? navigator.hardwareConcurrency
    : 1;
  return runtime;
}

// Runs the test that the model carries. Returns the largest difference from
// the expected result.
async function measure(loaded, { photo, result }) {
  const whole = ({ width, height }) => [
    { start: 0, size: height },
    { start: 0, size: width },
  ];
  const rgb = cut(photo, ...whole(photo));
  const expected = cut(result, ...whole(result));
  const output = await run(loaded, rgb, photo.height, photo.width);
  if (output.length !== expected.length) {
    return 255;
  }
  return expected.reduce(
    (largest, level, i) => Math.max(largest, Math.abs(level - output[i])),
    0,
  );
}

// Returns the pixels of a PNG file in base64.
async function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]), {
    colorSpaceConversion: "none",
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height);
}

// Reads the metadata of an ONNX file, which the runtime does not expose. The file
// is a list of Protocol Buffers fields; field 14 holds one key and its value.
function readMetadata(bytes) {
  const metadata = {};
  for (const [field, content] of readFields(bytes)) {
    if (field === 14) {
      const pair = [...readFields(content)].map(([, text]) =>
        new TextDecoder().decode(text),
      );
      metadata[pair[0]] = pair[1];
    }
  }
  return metadata;
}

function* readFields(bytes) {
  let position = 0;
  const readNumber = () => {
    let number = 0;
    for (let weight = 1; ; weight *= 128) {
      const byte = bytes[position++];
      number += (byte & 127) * weight;
      if (!(byte & 128)) {
        return number;
      }
    }
  };
  while (position < bytes.length) {
    const tag = readNumber();
    if (tag % 8 === 2) {
      const length = readNumber();
      yield [tag >> 3, bytes.subarray(position, (position += length))];
    } else if (tag % 8 === 0) {
      readNumber();
    } else {
      throw new Error("model.onnx is damaged or not an ONNX file.");
    }
  }
}

// === Tiles ===

// Covers a side of a photo with windows of equal length. Each end of a window is
// an end of the photo, or at least a halo away from the pixels that are kept.
function getSpans(length, tile, halo) {
  const count = Math.max(1, Math.ceil((length - 2 * halo) / tile));
  const size =
    count > 1 ? 2 * halo + Math.ceil((length - 2 * halo) / count) : length;
  const starts = Array.from({ length: count }, (_, i) =>
    Math.floor(((length - size) * i) / Math.max(1, count - 1)),
  );
  const edges = [0, ...starts.slice(1).map((start) => start + halo), length];
  return starts.map((start, i) => ({
    start,
    size,
    low: edges[i],
    high: edges[i + 1],
  }));
}

async function upscale(photo, progress) {
  const { scale, halo } = network;
  const tile = Math.max(WINDOW - 2 * halo, 2 * halo, 1);
  const rows = getSpans(photo.height, tile, halo);
  const columns = getSpans(photo.width, tile, halo);
  const large = new ImageData(photo.width * scale, photo.height * scale);
  let done = 0;
  for (const row of rows) {
    for (const column of columns) {
      const rgb = cut(photo, row, column);
      const output = await run(network, rgb, row.size, column.size);
      paste(output, large, row, column, scale);
      done += 1;
      progress(done / (rows.length * columns.length));
    }
  }
  return large;
}

async function run({ runtime, session }, rgb, height, width) {
  const photo = new runtime.Tensor("uint8", rgb, [1, height, width, 3]);
  const { large } = await session.run({ photo });
  const data = await large.getData();
  large.dispose();
  return data;
}

// Returns a window of RGBA pixels as RGB.
function cut(photo, row, column) {
  const rgb = new Uint8Array(row.size * column.size * 3);
  let to = 0;
  for (let y = row.start; y < row.start + row.size; y += 1) {
    let from = (y * photo.width + column.start) * 4;
    for (let x = 0; x < column.size; x += 1) {
      rgb[to] = photo.data[from];
      rgb[to + 1] = photo.data[from + 1];
      rgb[to + 2] = photo.data[from + 2];
      to += 3;
      from += 4;
    }
  }
  return rgb;
}

function paste(rgb, large, row, column, scale) {
  const width = column.size * scale;
  for (let y = row.low * scale; y < row.high * scale; y += 1) {
    let from =
      ((y - row.start * scale) * width + (column.low - column.start) * scale) * 3;
    let to = (y * large.width + column.low * scale) * 4;
    for (let x = column.low * scale; x < column.high * scale; x += 1) {
      large.data[to] = rgb[from];
      large.data[to + 1] = rgb[from + 1];
      large.data[to + 2] = rgb[from + 2];
      large.data[to + 3] = 255;
      from += 3;
      to += 4;
    }
  }
}
