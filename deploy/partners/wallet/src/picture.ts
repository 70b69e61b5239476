// The code as a QR picture, drawn here: it is nobody else's to see.
import { correction, generate } from "lean-qr";

const QUIET = 4; // modules around it, ISO/IEC 18004

export function drawCode(digits: string): string {
  const bitmap = generate(digits, { minCorrectionLevel: correction.M });
  const size = bitmap.size + 2 * QUIET;
  let path = "";
  for (let y = 0; y < bitmap.size; y++) {
    for (let x = 0; x < bitmap.size; x++) if (bitmap.get(x, y)) path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`;
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges" role="img"` +
    ` aria-label="电子社保卡二维码"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path d="${path}"/></svg>`
  );
}
