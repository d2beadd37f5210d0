/**
 * @fileoverview The ticker page: joins the topics of the prices with the plot
 * and the table, and counts what comes.
 *
 * Messages only change the series; the table is written four times a second
 * and the plot once a frame, however many come. It never publishes.
 */

import {Chart, percent} from './chart.js';
import {Connection} from './connection.js';
import {SYMBOLS, Series, read} from './series.js';

const PATTERN = '/topic/demo.prices.*';
const OPTIONS = {overflow: 'conflate', conflateKey: 'symbol'};
const TABLE_MS = 250;
/** The rate is that of the last so many ticks of the table. */
const RATE_TICKS = 21;

const byId = (id) => document.getElementById(id);
const pauseButton = byId('pause');

const series = new Map(SYMBOLS.map((symbol) => [symbol, new Series()]));
const chart = new Chart(byId('chart'), series);
const rows = new Map(SYMBOLS.map((symbol) => {
  const row = document.querySelector(`#prices tr[data-symbol="${symbol}"]`);
  const cells = {
    price: row.querySelector('.price'),
    change: row.querySelector('.change'),
  };
  return [symbol, cells];
}));

let received = 0;
/** When the table was written, and how much had been received then. */
let ticks = [];
let subscription = null;
let isPaused = false;

const connection = new Connection(
    (client) => {
      subscription = null;
      if (!isPaused) subscribe(client);
    },
    (state) => {
      if (state === 'open' && !isPaused) chart.start();
      if (state === 'closed') chart.stop();
      pauseButton.disabled = state === 'closed';
    });

function subscribe(client) {
  subscription = client.subscribe(PATTERN, receive, OPTIONS);
  subscription.ready.then(
      ({maxMessages}) => {
        byId('granted').textContent = maxMessages === undefined ? '' :
            `At most ${maxMessages.toLocaleString()} messages wait for it.`;
      },
      () => {});  // The error event says it.
}

/** @param {!qmq.Message} message */
function receive(message) {
  received++;
  const quote = read(message);
  if (!quote) return;
  byId('empty').hidden = true;
  const now = performance.now();
  const one = series.get(quote.symbol);
  one.add(now, quote.price);
  one.trim(now);
}

function writeTable() {
  for (const [symbol, {price, change}] of rows) {
    const one = series.get(symbol);
    if (!one.points.length) continue;
    write(price, one.price.toFixed(2));
    const text = percent(one.change, 2);
    const way = text.startsWith('+') ? 'up' : text.startsWith('−') ? 'down' : '';
    const arrow = {up: '▲ ', down: '▼ '}[way] || '';
    write(change, arrow + text);
    change.dataset.way = way;
  }
  ticks.push({time: performance.now(), received});
  if (ticks.length > RATE_TICKS) ticks.shift();
  const [first, last] = [ticks[0], ticks[ticks.length - 1]];
  const seconds = (last.time - first.time) / 1000;
  const rate = seconds ? (last.received - first.received) / seconds : 0;
  write(byId('rate'), rate.toFixed(rate < 10 && rate > 0 ? 1 : 0));
  write(byId('count'), received.toLocaleString());
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Pausing ends the subscription: the gateway then sends nothing. */
function togglePause() {
  isPaused = !isPaused;
  pauseButton.textContent = isPaused ? 'Go on' : 'Pause';
  if (isPaused) {
    if (subscription) subscription.unsubscribe();
    subscription = null;
    chart.stop();
  } else {
    subscribe(connection.client);
    chart.start();
  }
}

pauseButton.addEventListener('click', togglePause);
connection.open();
setInterval(writeTable, TABLE_MS);
