// The page: takes a photo and shows the result. upscaling.js does the work.

// Limit for the upscaled photo, which all browsers can display.
const MAX_PIXELS = 64e6;

const $ = (id) => document.getElementById(id);
let worker = null;
let busy = false;

// === Input ===

$("file").addEventListener("change", ({ target }) => {
  take(target.files[0]);
  // Allow the same file to be chosen again.
  target.value = "";
});
for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(type, (event) => {
    event.preventDefault();
    const over = type === "dragenter" || type === "dragover";
    $("drop").classList.toggle("over", over);
  });
}
addEventListener("drop", ({ dataTransfer }) => take(dataTransfer.files[0]));
addEventListener("paste", ({ clipboardData }) => take(clipboardData.files[0]));
$("cancel").addEventListener("click", () => {
  stop();
  show({ message: "Stopped." });
});
$("slider").addEventListener("input", ({ target }) => {
  $("compare").style.setProperty("--cut", `${target.value}%`);
});

async function take(file) {
  if (!file) {
    return;
  }
  if (busy) {
    stop();
  }
  show({ status: `Reading ${file.name} …` });
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    show({
      message: file.type.startsWith("image/")
        ? `Cannot read ${file.name}. It is damaged, too large for this ` +
          "browser, or in a format that the browser does not support."
        : `${file.name} is not a photo. Choose a JPEG, PNG, WebP or AVIF file.`,
    });
    return;
  }
  start(file, bitmap);
}

function getPixels(bitmap) {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  // Transparent areas become white.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

// === Upscaling ===

function start(file, bitmap) {
  const began = performance.now();
  let photo;
  let scale;
  let note;
  if (busy) {
    stop();
  }
  busy = true;
  show({ status: "Loading the network …" });
  // The worker keeps the network loaded for the next photo.
  worker ??= new Worker("upscaling.js", { type: "module" });
  worker.onerror = () => {
    stop();
    show({ message: "This browser cannot run the network." });
  };
  worker.onmessage = ({ data }) => {
    if (data.error) {
      stop();
      show({ message: explain(data.error) });
    } else if (data.device) {
      ({ scale, note } = data);
      const pixels = bitmap.width * bitmap.height;
      if (pixels * scale ** 2 > MAX_PIXELS) {
        busy = false;
        show({
          message:
            `${file.name} has ${megapixels(pixels)} megapixels. This page ` +
            `accepts at most ${megapixels(MAX_PIXELS / scale ** 2)}. For larger ` +
            "photos, use the command keras-srgan upscale.",
        });
        return;
      }
      photo = getPixels(bitmap);
      worker.postMessage(photo);
      const where = data.device === "webgpu" ? "GPU" : "CPU";
      show({
        status: `${note} Upscaling ${file.name} on the ${where} …`.trim(),
        done: 0,
      });
    } else if (data.done) {
      $("progress").value = data.done;
    } else if (data.large) {
      busy = false;
      const seconds = (performance.now() - began) / 1000;
      finish(file, photo, data.large, scale, seconds, note);
    }
  };
  // Ask for the scale first.
  worker.postMessage(null);
}

function stop() {
  worker?.terminate();
  worker = null;
  busy = false;
}

async function finish(file, photo, large, scale, seconds, note) {
  draw(large, $("after"));
  draw(photo, $("before"));
  $("compare").style.maxWidth = `${large.width}px`;
  const blob = await new Promise((done) => $("after").toBlob(done, "image/png"));
  if (!blob) {
    show({ message: "The upscaled photo is too large for this browser to save." });
    return;
  }
  URL.revokeObjectURL($("download").href);
  $("download").href = URL.createObjectURL(blob);
  $("download").download = `${file.name.replace(/\.[^.]+$/, "")}-x${scale}.png`;
  $("caption").textContent =
    `${photo.width} × ${photo.height} → ${large.width} × ${large.height} ` +
    `in ${seconds.toFixed(1)} s. ${note}`.trim();
  show({ result: true });
}

// === The page ===

function show({ message, status, done, result }) {
  $("message").hidden = !message;
  $("message").textContent = message ?? "";
  $("work").hidden = !status;
  $("status").textContent = status ?? "";
  if (done === undefined) {
    $("progress").removeAttribute("value");
  } else {
    $("progress").value = done;
  }
  $("result").hidden = !result;
}

function draw(image, canvas) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function megapixels(pixels) {
  return (pixels / 1e6).toFixed(1);
}

function explain(error) {
  return /memory|alloc|device.*lost/i.test(error)
    ? `This browser does not have enough memory for this photo (${error}).`
    : error;
}
