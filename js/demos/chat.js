/**
 * @fileoverview The chat page: joins the form, the list and the topic.
 *
 * An own message is in the list from the moment it is sent, with what became of
 * it; when the topic brings it back it is not shown twice. Nothing is kept but
 * the person's name, and what was said before the page came is never fetched.
 */

import {ChatLog} from './chatlog.js';
import {MAX_NAME, compose, name, read} from './chatmessage.js';
import {Connection} from './connection.js';

const TOPIC = '/topic/demo.chat';
/** A page in the background may lose the oldest messages, never its place. */
const OPTIONS = {maxMessages: 200, overflow: 'drop-oldest'};
const NAME_KEY = 'qmq.demo.chat.name';
const USUAL_HOST = '127.0.0.1:8000';

const nameBox = document.getElementById('name');
const textBox = document.getElementById('text');
const sendButton = document.getElementById('send');

const log = new ChatLog();
const connection = new Connection(
    (client) => {
      const chat = client.subscribe(TOPIC, receive, OPTIONS);
      chat.ready.catch(() => {});  // The error event says it.
    },
    (state) => {
      sendButton.disabled = state === 'closed';
    });

/** @param {!qmq.Message} message */
function receive(message) {
  const said = read(message);
  if (said && !(said.id && log.has(said.id))) log.add(said, false);
}

/** Shows what the person typed, and sends it. */
function say() {
  const said = compose(nameBox.value.trim() || nameBox.placeholder, textBox.value);
  if (!said.text || !said.who) return;
  textBox.value = '';
  textBox.focus();
  log.add(said, true);
  publish(said);
}

async function publish(said) {
  log.mark(said.id, 'sending');
  try {
    await connection.client.publish(TOPIC, said);
    log.mark(said.id, 'delivered');
  } catch (error) {
    log.mark(said.id, 'failed', error.message, () => publish(said));
  }
}

/** Some browsers keep nothing for a page; the chat works without. */
function rememberName() {
  try {
    localStorage.setItem(NAME_KEY, name(nameBox.value));
  } catch (error) {
    // Then the name is asked for next time.
  }
}

function recallName() {
  nameBox.placeholder = `Guest ${100 + Math.floor(Math.random() * 900)}`;
  try {
    const known = localStorage.getItem(NAME_KEY) || '';
    nameBox.value = name(known).slice(0, MAX_NAME);
  } catch (error) {
    // As if there was none.
  }
}

function nameThisGateway() {
  if (location.host === USUAL_HOST) return;
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  document.getElementById('url').textContent =
      ` --url ${scheme}//${location.host}/stomp`;
}

recallName();
nameThisGateway();
nameBox.addEventListener('change', rememberName);
document.getElementById('form').addEventListener('submit', (event) => {
  event.preventDefault();
  rememberName();
  say();
});
connection.open();
