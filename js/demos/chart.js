/**
 * @fileoverview The plot: the change of each series since the window began, on
 * a canvas that is as sharp as the screen. It draws on each frame, but only
 * while somebody can see it.
 *
 * It never changes a series, and takes its colours from the style sheet.
 */

import {SYMBOLS, WINDOW_MS} from './series.js';

/** The plot is this late, so that there is a next price to move towards. */
const DELAY_MS = 350;
/** How fast the scale follows, in milliseconds. */
const EASE_MS = 400;
const BASE_EASE_MS = 1500;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
/** Between a label of the axis and its line. */
const GAP_PX = 8;

/** A label's height; no two labels are nearer to each other. */
const LABEL_PX = 16;
/** With reduced motion, one picture in this time. */
const STILL_MS = 1000;

export class Chart {
  /**
   * @param {!HTMLCanvasElement} canvas
   * @param {!Map<string, !Series>} series
   */
  constructor(canvas, series) {
    this.canvas_ = canvas;
    this.series_ = series;
    this.context_ = canvas.getContext('2d');
    this.bases_ = new Map();
    this.low_ = -1;
    this.high_ = 1;
    this.drawnAt_ = 0;
    this.frame_ = 0;
    this.isRunning_ = false;
    this.isSeen_ = true;
    this.style_ = null;
    this.calm_ = matchMedia('(prefers-reduced-motion: reduce)');
    new ResizeObserver(() => this.resize_()).observe(canvas);
    new IntersectionObserver((entries) => {
      this.isSeen_ = entries[entries.length - 1].isIntersecting;
      this.schedule_();
    }).observe(canvas);
    document.addEventListener('visibilitychange', () => this.schedule_());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.style_ = null;
      this.redraw_();
    });
  }

  start() {
    this.isRunning_ = true;
    this.schedule_();
  }

  /** Leaves the last picture. */
  stop() {
    this.isRunning_ = false;
    cancelAnimationFrame(this.frame_);
    this.frame_ = 0;
  }

  schedule_() {
    const canSee = this.isSeen_ && document.visibilityState === 'visible';
    if (!this.isRunning_ || !canSee || this.frame_) return;
    this.frame_ = requestAnimationFrame((now) => {
      this.frame_ = 0;
      this.schedule_();
      if (this.calm_.matches && now - this.drawnAt_ < STILL_MS) return;
      this.draw_(now);
    });
  }

  /** The same picture again, in new colours or of a new size. */
  redraw_() {
    if (this.drawnAt_) this.draw_(this.drawnAt_);
  }

  resize_() {
    const ratio = window.devicePixelRatio || 1;
    this.width_ = this.canvas_.clientWidth;
    this.height_ = this.canvas_.clientHeight;
    this.canvas_.width = Math.round(this.width_ * ratio);
    this.canvas_.height = Math.round(this.height_ * ratio);
    this.context_.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.redraw_();
  }

  draw_(now) {
    const passed = Math.max(0, now - this.drawnAt_);
    this.drawnAt_ = now;
    const until = now - DELAY_MS;
    const plots = this.plots_(until, passed);
    this.scale_(plots, passed);
    this.style_ = this.style_ || readStyle(this.canvas_);
    this.context_.font = this.style_.font;
    // The widest label of the axis, whatever letters this machine has.
    const labels = Math.ceil(this.context_.measureText('+88.8 %').width);
    const area = {left: labels + GAP_PX + 2, right: this.width_ - 58, top: 8,
                  bottom: this.height_ - 26};
    const x = (time) =>
        area.right - (until - time) / WINDOW_MS * (area.right - area.left);
    const y = (change) => area.bottom - (change - this.low_) /
        (this.high_ - this.low_) * (area.bottom - area.top);
    this.context_.clearRect(0, 0, this.width_, this.height_);
    this.drawGrid_(area, y);
    this.drawLines_(area, plots, x, y);
    this.drawLabels_(area, plots, x, y);
  }

  /** Each series as lines of time and change, its base easing along. */
  plots_(until, passed) {
    const plots = [];
    for (const symbol of SYMBOLS) {
      const series = this.series_.get(symbol);
      if (!series.points.length) continue;
      const old = this.bases_.get(symbol);
      const base = old === undefined ?
          series.first : ease(old, series.first, passed, BASE_EASE_MS);
      this.bases_.set(symbol, base);
      const lines = series.lines(until).map((line) => line.map(
          ({time, price}) => ({time, change: (price / base - 1) * 100})));
      if (lines.length) plots.push({symbol, lines});
    }
    return plots;
  }

  scale_(plots, passed) {
    let low = -0.5;
    let high = 0.5;
    for (const {lines} of plots) {
      for (const line of lines) {
        for (const {change} of line) {
          low = Math.min(low, change);
          high = Math.max(high, change);
        }
      }
    }
    const margin = (high - low) * 0.06;
    this.low_ = ease(this.low_, low - margin, passed, EASE_MS);
    this.high_ = ease(this.high_, high + margin, passed, EASE_MS);
  }

  drawGrid_(area, y) {
    const c = this.context_;
    c.font = this.style_.font;
    c.lineWidth = 1;
    c.textAlign = 'right';
    c.textBaseline = 'middle';
    const room = Math.max(2, Math.floor((area.bottom - area.top) / 34));
    const step = STEPS.find((s) => (this.high_ - this.low_) / s <= room) || 200;
    const digits = step < 1 ? 1 : 0;
    for (let i = Math.ceil(this.low_ / step); i * step <= this.high_; i++) {
      const at = Math.round(y(i * step)) + 0.5;
      c.strokeStyle = i === 0 ? this.style_.soft : this.style_.rule;
      c.beginPath();
      c.moveTo(area.left, at);
      c.lineTo(area.right, at);
      c.stroke();
      c.fillStyle = this.style_.soft;
      c.fillText(percent(i * step, digits), area.left - GAP_PX, at);
    }
    c.textBaseline = 'alphabetic';
    const words = this.width_ < 480 ?
        [[60, '−60 s'], [30, '−30 s'], [0, 'now']] :
        [[60, '−60 s'], [45, '−45 s'], [30, '−30 s'], [15, '−15 s'], [0, 'now']];
    for (const [ago, word] of words) {
      const at = area.right - ago / 60 * (area.right - area.left);
      c.textAlign = ago === 60 ? 'left' : 'center';
      c.fillText(word, at, area.bottom + 20);
    }
  }

  drawLines_(area, plots, x, y) {
    const c = this.context_;
    c.save();
    c.beginPath();
    c.rect(area.left, 0, this.width_ - area.left, this.height_);
    c.clip();
    c.lineWidth = 2;
    c.lineJoin = 'round';
    c.lineCap = 'round';
    for (const {symbol, lines} of plots) {
      c.strokeStyle = this.style_.lines[symbol];
      c.beginPath();
      for (const line of lines) {
        line.forEach(({time, change}, i) => {
          if (i) c.lineTo(x(time), y(change));
          else c.moveTo(x(time), y(change));
        });
      }
      c.stroke();
    }
    c.restore();
  }

  /** A mark at the head of each line, and its name where there is room. */
  drawLabels_(area, plots, x, y) {
    const c = this.context_;
    const heads = plots.map(({symbol, lines}) => {
      const head = lines[lines.length - 1].slice(-1)[0];
      return {symbol, x: Math.max(area.left, x(head.time)), y: y(head.change)};
    });
    heads.sort((a, b) => a.y - b.y);
    spread(heads, area.top, area.bottom);
    c.font = this.style_.strong;
    c.textAlign = 'left';
    c.textBaseline = 'middle';
    for (const head of heads) {
      c.fillStyle = c.strokeStyle = this.style_.lines[head.symbol];
      drawMark(c, head, this.style_.surface);
      c.fillText(head.symbol, area.right + 13, head.label);
    }
  }
}

/** Gives each head a label height, in order, none upon another. */
function spread(heads, top, bottom) {
  let free = top + LABEL_PX / 2;
  for (const head of heads) {
    head.label = Math.max(head.y, free);
    free = head.label + LABEL_PX;
  }
  let limit = bottom - LABEL_PX / 2;
  for (const head of heads.slice().reverse()) {
    head.label = Math.min(head.label, limit);
    limit = head.label - LABEL_PX;
  }
}

/** The shapes are those of the table. */
function drawMark(c, {symbol, x, y}, surface) {
  c.beginPath();
  if (symbol === 'BOLT') {
    c.rect(x - 4, y - 4, 8, 8);
  } else if (symbol === 'CRUX') {
    polygon(c, [[x, y - 5], [x + 5, y + 4], [x - 5, y + 4]]);
  } else if (symbol === 'DUNE') {
    polygon(c, [[x, y - 6], [x + 6, y], [x, y + 6], [x - 6, y]]);
  } else {
    c.arc(x, y, 4.5, 0, 2 * Math.PI);
  }
  if (symbol === 'ECHO') c.fillStyle = surface;
  c.fill();
  c.lineWidth = 2;
  if (symbol === 'ECHO') c.stroke();
  c.fillStyle = c.strokeStyle;
}

function polygon(c, [first, ...others]) {
  c.moveTo(...first);
  for (const point of others) c.lineTo(...point);
  c.closePath();
}

/** The way from old to new that this much time is worth. */
function ease(old, wanted, passed, pace) {
  return wanted + (old - wanted) * Math.exp(-passed / pace);
}

/** @param {number} value A change in percent, with its sign. */
export function percent(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  const sign = Number(text) === 0 ? '' : value < 0 ? '−' : '+';
  return `${sign}${text} %`;
}

function readStyle(canvas) {
  const style = getComputedStyle(canvas);
  const value = (name) => style.getPropertyValue(name).trim();
  const lines = {};
  for (const symbol of SYMBOLS) {
    lines[symbol] = value(`--${symbol.toLowerCase()}`);
  }
  return {
    lines,
    soft: value('--soft'),
    rule: value('--rule'),
    surface: value('--surface'),
    font: `12px ${style.fontFamily}`,
    strong: `600 12px ${style.fontFamily}`,
  };
}
