// What the network sees of a stroke: a frame whenever the pen is a step away from where the last one ended. The frame is the
// direction to the pen, and the place moves there by a step. docs/live_gestures.py does the same, with the same bits.

export class Pen {
  #step;
  #x;
  #y;

  /** `step`: of the side of the square that is drawn in. */
  constructor(step) {
    this.#step = step;
  }

  /** Put the pen down, at a place in a square of side 1. */
  down(x, y) {
    [this.#x, this.#y] = [x, y];
  }

  /** The frames, none, one or several, that moving the pen to a place gives. */
  move(x, y) {
    const frames = [];
    for (;;) {
      const across = x - this.#x, down = y - this.#y;
      const distance = Math.sqrt(across * across + down * down);
      if (!(distance >= this.#step)) return frames;
      const frame = [across / distance, down / distance];
      this.#x += this.#step * frame[0];
      this.#y += this.#step * frame[1];
      frames.push(frame);
    }
  }
}
