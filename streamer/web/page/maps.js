// The maps of classes and people, and what is drawn of them: all in the browser, on what came once.

export async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export function split(bytes, width, height) {
  const cells = width * height;
  if (bytes.length !== 2 * cells) throw new Error(`maps of ${bytes.length} bytes are not ${width}x${height}`);
  return { width, height, labels: bytes.subarray(0, cells), instances: bytes.subarray(cells) };
}

export function colours(classes) {
  return classes.map(({ colour }) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
}

// Colours where a class and its person are shown, as pixels at the size of the maps.
export function paint(maps, palette, look) {
  const { width, height, labels, instances } = maps;
  const out = new ImageData(width, height);
  const pixels = new Uint32Array(out.data.buffer);
  const table = new Uint32Array(256);
  palette.forEach(([red, green, blue], id) => {
    const shown = id && !look.hidden.has(id);
    table[id] = shown ? ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0 : 0;
  });
  for (let at = 0; at < labels.length; at += 1) {
    if (!look.absent.has(instances[at])) pixels[at] = table[labels[at]];
  }
  return out;
}

// White where one person's pixels end.
export function outline(maps, look) {
  const { width, height, instances } = maps;
  const out = new ImageData(width, height);
  const pixels = new Uint32Array(out.data.buffer);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      const who = instances[at];
      if (!who || look.absent.has(who)) continue;
      const ends = (x > 0 && instances[at - 1] !== who) || (x < width - 1 && instances[at + 1] !== who)
        || (y > 0 && instances[at - width] !== who) || (y < height - 1 && instances[at + width] !== who);
      if (ends) pixels[at] = 0xffffffff;
    }
  }
  return out;
}

function canvasOf(pixels) {
  const canvas = document.createElement("canvas");
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

// Draws a picture and what was seen in it; the canvas has the size that it is to be drawn at.
export function draw(canvas, picture, maps, palette, look, people = [], faces = []) {
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  if (!maps) return;
  context.imageSmoothingEnabled = true;
  context.globalAlpha = look.opacity;
  context.drawImage(canvasOf(paint(maps, palette, look)), 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
  if (look.outline) context.drawImage(canvasOf(outline(maps, look)), 0, 0, canvas.width, canvas.height);
  if (look.face_boxes) faces.forEach((face) => frame(context, canvas, face));
  if (look.numbers) people.forEach((person) => tag(context, canvas, person, look));
}

// A face, in the colour of the service's own overlay.
function frame(context, canvas, { box: [left, top, right, bottom], text }) {
  context.strokeStyle = "#ffbf00";
  context.lineWidth = Math.max(1.5, canvas.height / 400);
  context.strokeRect(left, top, right - left, bottom - top);
  if (!text) return;
  const size = Math.max(11, Math.round(canvas.height / 40));
  context.font = `600 ${size}px system-ui, sans-serif`;
  const width = context.measureText(text).width + size * 0.7;
  const x = Math.min(Math.max(0, (left + right) / 2 - width / 2), canvas.width - width);
  const y = Math.min(bottom + size * 0.3, canvas.height - size * 1.4);
  context.fillStyle = "rgba(0, 0, 0, .72)";
  context.fillRect(x, y, width, size * 1.4);
  context.fillStyle = "#ffbf00";
  context.fillText(text, x + size * 0.35, y + size * 1.05);
}

function tag(context, canvas, person, look) {
  if (look.absent.has(person.number)) return;
  const size = Math.max(12, Math.round(canvas.height / 32));
  const [left, top, right] = person.box;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const text = String(person.id);
  const width = context.measureText(text).width + size * 0.7;
  const x = Math.min(Math.max(0, (left + right) / 2 - width / 2), canvas.width - width);
  const y = Math.max(0, top - size * 1.4);
  context.fillStyle = "rgba(0, 0, 0, .72)";
  context.fillRect(x, y, width, size * 1.35);
  context.fillStyle = "#fff";
  context.textBaseline = "top";
  context.fillText(text, x + size * 0.35, y + size * 0.2);
}
