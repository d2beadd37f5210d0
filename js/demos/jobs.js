/**
 * @fileoverview The jobs page: hands in jobs as requests to a work queue, and
 * works on those that the queue gives it.
 *
 * A job is acknowledged when it is done, and not before: if this page closes,
 * stops working or loses its connection, the queue gives the job to another.
 */

import {Connection} from './connection.js';

const QUEUE = '/queue/demo.jobs';
/** One job at a time; the others wait for whoever is free first. */
const OPTIONS = {ack: 'client-individual', prefetch: 1};
const PATIENCE_MS = 60 * 1000;
/** Turning words round takes no time; this shows that it could. */
const JOB_MS = 3000;
const STEP_MS = 50;
const MAX_TEXT = 60;
const MAX_BYTES = 1000;
const MAX_LINES = 12;

const byId = (id) => document.getElementById(id);

/** The jobs that this page handed in, with what became of them. */
class Asked {
  constructor() {
    this.list_ = byId('asked');
  }

  /** @param {string} text */
  add(text) {
    byId('none').hidden = true;
    const line = document.createElement('li');
    line.append(part('span', 'text', text), part('span', 'fate', 'waits'));
    this.list_.prepend(line);
    if (this.list_.children.length > MAX_LINES) this.list_.lastChild.remove();
    return line;
  }

  mark(line, fate, text, about) {
    line.dataset.fate = fate;
    if (text) line.querySelector('.text').textContent = text;
    line.querySelector('.fate').textContent = about;
  }
}

/** This page as a worker. */
class Worker {
  constructor() {
    this.name_ = `Page ${100 + Math.floor(Math.random() * 900)}`;
    this.subscription_ = null;
    /** @type {?qmq.Message} The one at hand. */
    this.message_ = null;
    this.done_ = 0;
    byId('me').textContent = this.name_;
  }

  get isOn() {
    return !!this.subscription_;
  }

  /** @param {!qmq.Client} client */
  start(client) {
    this.subscription_ =
        client.subscribe(QUEUE, (message) => this.receive_(message), OPTIONS);
    this.subscription_.ready.catch(() => {});  // The error event says it.
    this.rest_('Waits for a job.');
    this.show_();
  }

  /** What is at hand goes back to the queue. */
  stop() {
    if (this.subscription_) this.subscription_.unsubscribe();
    this.subscription_ = null;
    this.rest_('This page does no work.');
    this.show_();
  }

  async receive_(message) {
    const text = read(message);
    if (text === null) {
      message.nack({requeue: false});  // Anybody may send to the queue.
      return;
    }
    this.message_ = message;
    byId('job').textContent =
        message.redelivered ? `“${text}”, which came back` : `“${text}”`;
    try {
      if (!await this.toil_(message)) return;
      const result = {text: Array.from(text).reverse().join(''), by: this.name_};
      if (message.headers['reply-to']) await message.reply(result);
      await message.ack();
    } catch (error) {
      return;  // The error event says it, and the queue has the job again.
    }
    this.done_++;
    byId('done').textContent = String(this.done_);
    if (this.message_ === message) this.rest_('Waits for a job.');
  }

  /** Resolves when the job is done: with false if it is no longer ours. */
  async toil_(message) {
    const begin = performance.now();
    let part = 0;
    while (part < 1 && this.message_ === message) {
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      part = Math.min(1, (performance.now() - begin) / JOB_MS);
      if (this.message_ === message) byId('progress').value = part;
    }
    return this.message_ === message;
  }

  rest_(text) {
    this.message_ = null;
    byId('job').textContent = text;
    byId('progress').value = 0;
  }

  show_() {
    byId('work').textContent = this.isOn ? 'Stop working' : 'Start working';
    byId('work').setAttribute('aria-pressed', String(this.isOn));
  }
}

const asked = new Asked();
const worker = new Worker();
const connection = new Connection(
    (client) => {
      // After the connection was lost the page goes on as it was.
      if (worker.isOn) worker.start(client);
    },
    (state) => {
      for (const id of ['ask', 'work']) byId(id).disabled = state === 'closed';
      if (state === 'closed' && worker.isOn) worker.rest_('Not connected.');
    });

async function ask(text) {
  const line = asked.add(text);
  try {
    const reply =
        await connection.client.request(QUEUE, {text}, {timeout: PATIENCE_MS});
    const result = reply.json();
    asked.mark(line, 'done', String(result.text).slice(0, MAX_TEXT),
               `by ${String(result.by).slice(0, 40)} ✓`);
  } catch (error) {
    asked.mark(line, 'failed', '', error.code === 'request-timeout' ?
        'nobody did it' : error.message);
  }
}

/** The words of a job, or null if it is none. */
function read(message) {
  if (message.bytes().length > MAX_BYTES) return null;
  try {
    const {text} = message.json();
    return typeof text === 'string' && text.length <= MAX_TEXT ? text : null;
  } catch (error) {
    return null;
  }
}

function part(name, className, text) {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

byId('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = byId('text').value.trim();
  if (!text) return;
  byId('text').value = '';
  byId('text').focus();
  ask(text);
});
byId('work').addEventListener('click', () => {
  if (worker.isOn) worker.stop();
  else worker.start(connection.client);
});
connection.open();
