/**
 * @fileoverview The prices of the last minute, one series for each symbol, and
 * what a price message must be like to enter one.
 *
 * Times are those at which a price came to this page, on its own clock that
 * never jumps. It never draws, and keeps no more points than its bound.
 */

export const SYMBOLS = ['ACME', 'BOLT', 'CRUX', 'DUNE', 'ECHO'];
export const WINDOW_MS = 60 * 1000;

/** More than a minute at the rate of the demo, also if somebody floods it. */
const MAX_POINTS = 1000;
/** Between points further apart than this no line is drawn. */
const GAP_MS = 2500;

export class Series {
  constructor() {
    /** @type {!Array<{time: number, price: number}>} Oldest first. */
    this.points = [];
  }

  add(time, price) {
    this.points.push({time, price});
    if (this.points.length > MAX_POINTS) this.points.shift();
  }

  /** Forgets what is over; one older point stays if a line comes from it. */
  trim(now) {
    const start = now - WINDOW_MS;
    const inside = this.points.findIndex(({time}) => time >= start);
    if (inside <= 0) return;
    const [older, first] = this.points.slice(inside - 1);
    const reaches = first.time - older.time <= GAP_MS;
    this.points.splice(0, reaches ? inside - 1 : inside);
  }

  get price() {
    return this.points.length ? this.points[this.points.length - 1].price : NaN;
  }

  /** The price with which the window begins. */
  get first() {
    return this.points.length ? this.points[0].price : NaN;
  }

  /** Change within the window, in percent. */
  get change() {
    return (this.price / this.first - 1) * 100;
  }

  /**
   * The lines up to a moment, each an array of points. The last point lies on
   * the way to the next price, so that a plot moves evenly.
   * @param {number} until
   * @return {!Array<!Array<{time: number, price: number}>>}
   */
  lines(until) {
    const lines = [];
    let last = null;
    for (const point of this.points) {
      const isGap = !last || point.time - last.time > GAP_MS;
      if (point.time > until) {
        if (!isGap) lines[lines.length - 1].push(between(last, point, until));
        break;
      }
      if (isGap) lines.push([]);
      lines[lines.length - 1].push(point);
      last = point;
    }
    return lines;
  }
}

function between(a, b, time) {
  const part = (time - a.time) / (b.time - a.time);
  return {time, price: a.price + (b.price - a.price) * part};
}

/**
 * Reads a price, or null: anybody may publish to the topics.
 * @param {!qmq.Message} message
 * @return {?{symbol: string, price: number}}
 */
export function read(message) {
  let value;
  try {
    value = message.json();
  } catch (error) {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const {symbol, price} = value;
  if (!SYMBOLS.includes(symbol) || !Number.isFinite(price)) return null;
  return price > 0 && price < 1e9 ? {symbol, price} : null;
}
