/**
 * @fileoverview The page with an ES module: shows its connection, waves, and
 * lists who waved. It imports its client from /qmq.mjs, and keeps nothing.
 */

import {connect} from '/qmq.mjs';

const TOPIC = '/topic/demo.waves';
const MAX_LINES = 8;
const byId = (id) => document.getElementById(id);

const client = connect('/stomp', {onstate: show, onerror: tell});
// Those who come later see who waved before: the gateway keeps the past.
client.subscribe(TOPIC, add, {from: 'earliest', maxMessages: 100, overflow: 'drop-oldest'});

byId('wave').addEventListener('click', () => {
  client.publish(TOPIC, {from: document.body.dataset.way, at: Date.now()}).catch(tell);
});
show(client.state);

function show(state) {
  const light = byId('state');
  light.dataset.state = state;
  light.textContent = client.transport ? `${state} · ${client.transport}` : state;
  if (state === 'open') byId('reason').hidden = true;
}

function tell(error) {
  byId('reason').hidden = false;
  byId('reason').textContent = `${error.message}. ${error.detail}`;
}

function add(message) {
  const {from, at} = message.json();
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date(at).toLocaleTimeString();
  line.append(String(from), time);
  byId('waves').prepend(line);
  if (byId('waves').children.length > MAX_LINES) byId('waves').lastElementChild.remove();
  byId('none').hidden = true;
}
