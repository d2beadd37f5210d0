// @stomp/stompjs over WebSocket, as its users use it, behind the few words that scenarios.mjs speaks.

import {Client, Versions} from '@stomp/stompjs';
import WebSocket from 'ws';

import {Inbox} from './inbox.mjs';

class Session {
  constructor(client) {
    this.client = client;
    this.receipts = 0;
    this.beats = new Inbox();
    this.unasked = new Inbox();
    this.error = new Promise((resolve) => {
      client.onStompError = ({headers, body}) =>
          resolve({code: headers.code, message: headers.message, body, receipt: headers['receipt-id']});
    });
    this.closed = new Promise((resolve) => {
      client.onWebSocketClose = (event) => resolve(event.code);
    });
    client.onHeartbeatReceived = () => this.beats.put(null);
    client.onUnhandledMessage = (message) => this.unasked.put(message);
  }

  /** Does something with a receipt's header, and waits for that receipt. */
  async withReceipt(act) {
    const receipt = `r-${++this.receipts}`;
    const heard = new Promise((resolve) => this.client.watchForReceipt(receipt, resolve));
    act({receipt});
    await heard;
    return receipt;
  }

  wrap(message) {
    const settle = (method) => (headers) => this.withReceipt((more) => message[method]({...headers, ...more}));
    return {body: message.body, headers: message.headers, ack: settle('ack'), nack: settle('nack')};
  }

  subscribe(destination, headers = {}) {
    const inbox = new Inbox();
    inbox.subscription = this.client.subscribe(destination, (message) => inbox.put(this.wrap(message)), headers);
    inbox.unsubscribe = () => this.withReceipt((more) => inbox.subscription.unsubscribe(more));
    return inbox;
  }

  /** What comes to a reply-to that nobody has subscribed. */
  replies(destination) {
    return this.unasked;
  }

  send(destination, body, headers = {}) {
    return this.withReceipt((more) => this.client.publish({destination, body, headers: {...headers, ...more}}));
  }

  /** Sends what is to be refused. */
  sendBadly(destination, body, headers = {}) {
    this.client.publish({destination, body, headers: {...headers, receipt: 'bad'}});
  }

  begin() {
    const transaction = this.client.begin();
    const fence = () => this.send('/topic/fence', '');
    return {
      id: transaction.id,
      send: (destination, body) => this.send(destination, body, {transaction: transaction.id}),
      commit: () => (transaction.commit(), fence()),
      abort: () => (transaction.abort(), fence()),
    };
  }

  /** Says goodbye. */
  async close() {
    await this.client.deactivate();
  }

  /** Goes without a word. */
  async vanish() {
    this.client.reconnectDelay = 0;
    this.client.webSocket.terminate();
    await this.closed;
    await this.client.deactivate();
  }
}

export function connect({port, version, heartbeat = [0, 0]}) {
  return new Promise((resolve, reject) => {
    const client = new Client({
      webSocketFactory: () => new WebSocket(`ws://127.0.0.1:${port}/stomp`, Versions.default.protocolVersions()),
      stompVersions: new Versions([version]),
      connectHeaders: {login: 'login', passcode: 'passcode', host: 'localhost'},
      heartbeatOutgoing: heartbeat[0],
      heartbeatIncoming: heartbeat[1],
      reconnectDelay: 0,
    });
    const session = new Session(client);
    client.onConnect = () => resolve(session);
    client.onWebSocketError = reject;
    client.activate();
  });
}
