"""A child process that decodes one picture from standard input and writes it as WebP to standard output.
It is the only place where foreign pixels are decoded: memory and CPU are bounded by the kernel, and a crash
in a decoder is this process's crash. Run by `images.py` as a script.

Answer on standard output: `width height\\n` and the WebP bytes; on refusal exit status 3 and `code: reason`
on standard error."""

from __future__ import annotations

import io
import resource
import sys
import warnings

MAX_PIXELS = 40_000_000
MAX_SIDE = 1600
MEMORY = 1_500_000_000
CPU_S = 20
FORMATS = ("PNG", "JPEG", "WEBP")


def refuse(code: str, reason: str) -> int:
    sys.stderr.write(f"{code}: {reason}")
    return 3


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from PIL import Image, ImageOps, UnidentifiedImageError

    # Our own bound below is stricter and has a message; Pillow's warning would only repeat it.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS * 2
    try:
        # `formats` keeps every other decoder of the library out of reach.
        with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                return refuse("too_many_pixels", f"a picture has at most {MAX_PIXELS // 10**6} megapixels")
            opened.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG only: decodes at a fraction of the size
            opened.load()
            alpha = "A" in opened.getbands() or "transparency" in opened.info
            picture = ImageOps.exif_transpose(opened).convert("RGBA" if alpha else "RGB")
        picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        # Nothing of the original's metadata is carried over: positions and names stay with whoever took it.
        picture.save(out, "WEBP", quality=84, method=4)
    except UnidentifiedImageError:
        return refuse("not_an_image", "the file is not a PNG, JPEG or WebP picture")
    except Image.DecompressionBombError:
        return refuse("too_many_pixels", f"a picture has at most {MAX_PIXELS // 10**6} megapixels")
    except (OSError, ValueError, SyntaxError, MemoryError, EOFError, OverflowError) as exc:
        return refuse("broken_image", f"the picture cannot be decoded: {exc}"[:200])
    sys.stdout.buffer.write(f"{picture.width} {picture.height}\n".encode() + out.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
