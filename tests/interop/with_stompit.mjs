// stompit over TCP, as its users use it, behind the few words that scenarios.mjs speaks.

import stompit from 'stompit';

import {Inbox} from './inbox.mjs';

class Session {
  constructor(client) {
    this.client = client;
    this.beats = new Inbox();
    const socket = client.getTransportSocket();
    socket.setNoDelay(true);  // it writes frames in pieces, which otherwise wait for each other
    socket.on('data', (data) => data.toString() === '\n' && this.beats.put(null));
    this.closed = new Promise((resolve) => socket.on('close', resolve));
  }

  /**
   * What the server says when it ends the connection; not about which receipt that is.
   * Version 1.0.0 throws it where nobody can catch it, 0.26.0 told the client, as its manual says.
   */
  get error() {
    return new Promise((resolve) => {
      const tell = (error) => resolve({message: error.message, body: error.longMessage});
      process.removeAllListeners('uncaughtException').once('uncaughtException', tell);
      this.client.once('error', tell).on('error', () => {});
    });
  }

  wrap(message, body) {
    const settle = (method) => (headers) =>
        new Promise((resolve) => this.client[method](message, headers, {onReceipt: resolve}));
    return {body, headers: message.headers, ack: settle('ack'), nack: settle('nack')};
  }

  listener(inbox) {
    return (error, message) => {
      if (error) return;  // told to the client, too
      message.readString('utf-8', (failure, body) => {
        if (failure) throw failure;
        inbox.put(this.wrap(message, body));
      });
    };
  }

  subscribe(destination, headers = {}) {
    const inbox = new Inbox();
    const subscription = this.client.subscribe({destination, ...headers}, this.listener(inbox));
    inbox.unsubscribe = () => (subscription.unsubscribe(), this.send('/topic/fence', ''));
    return inbox;
  }

  /** What comes to a reply-to that nobody has subscribed. */
  replies(destination) {
    const inbox = new Inbox();
    this.client.setImplicitSubscription(destination, 'auto', this.listener(inbox));
    return inbox;
  }

  send(destination, body, headers = {}) {
    return new Promise((resolve) => {
      this.client.sendString({destination, ...headers}, body, {onReceipt: resolve});
    });
  }

  /** Sends what is to be refused. */
  sendBadly(destination, body, headers = {}) {
    this.client.sendString({destination, ...headers}, body, {onReceipt: () => {}});
  }

  begin() {
    const transaction = this.client.begin();
    return {
      id: transaction.id,
      send: (destination, body) => new Promise((resolve) => {
        const frame = transaction.send({destination}, {onReceipt: resolve});
        frame.end(body);
      }),
      commit: () => new Promise((resolve) => transaction.commit({onReceipt: resolve})),
      abort: () => new Promise((resolve) => transaction.abort({onReceipt: resolve})),
    };
  }

  /** Says goodbye. */
  close() {
    return new Promise((resolve, reject) => this.client.disconnect((error) => error ? reject(error) : resolve()));
  }

  /** Goes without a word. */
  async vanish() {
    this.client.destroy();
    await this.closed;
  }
}

export function connect({port, version, heartbeat = [0, 0]}) {
  const options = {
    host: '127.0.0.1',
    port,
    connectHeaders: {
      'host': 'localhost', 'login': 'login', 'passcode': 'passcode',
      'accept-version': version, 'heart-beat': heartbeat.join(','),
    },
  };
  return new Promise((resolve, reject) => {
    stompit.connect(options, (error, client) => error ? reject(error) : resolve(new Session(client)));
  });
}
