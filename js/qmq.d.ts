/**
 * The browser client of QMQ, the Quick Message Queue.
 *
 *     import {connect} from 'qmq';
 *     const client = connect('/stomp', {token: () => fetchToken()});
 *     const sub = client.subscribe('/topic/prices.*', (m) => show(m.json()));
 *     await client.publish('/topic/chat', {text: 'hi'});
 *     const sum = (await client.request('/queue/sums', [1, 2])).json();
 *
 * With a script tag the same names are in the global `qmq`.
 */

export as namespace qmq;

/**
 * A client begins as connecting. When the connection ends it is waiting, until
 * it tries again; closed is final.
 */
export type State = 'connecting' | 'open' | 'waiting' | 'closed';

/** What the server does when more waits for a page than was granted. */
export type Overflow = 'disconnect' | 'drop-oldest' | 'drop-newest' | 'conflate';

/**
 * Who settles the messages of a work queue. `auto`: the server does, when it
 * sends them. `client-individual`: the page does, each one. `client`: the page
 * does, each one with all that came before it.
 */
export type Ack = 'auto' | 'client' | 'client-individual';

/** Header names and values, as text. */
export interface Headers {
  [name: string]: string;
}

/** What a page may give as headers; other values are refused with a TypeError. */
export interface HeaderValues {
  [name: string]: string | number | boolean | bigint;
}

export interface ClientOptions {
  /**
   * Fetches a token, each time the client logs in, and again before it expires.
   * It goes out as the passcode of the login `token`; `login` and `passcode` are
   * then unused.
   */
  token?: () => string | Promise<string>;
  login?: string;
  passcode?: string;
  /** More headers for CONNECT; they never replace the client's own. */
  headers?: HeaderValues;
  onstate?: (state: State) => void;
  onerror?: (error: QmqError) => void;
  /**
   * How many messages wait at most for a connection, and for the server's
   * receipt when the connection has ended. Default 1000.
   */
  maxQueued?: number;
  /** How many bytes these have at most. Default 1 MiB. */
  maxQueuedBytes?: number;
  /**
   * How many milliseconds there are between signs of life, both ways; after one
   * and a half times as long without any the connection is given up, and made
   * anew. Default 25000; 0 for none.
   */
  heartBeat?: number;
  /**
   * The transports to choose from, the best first. Each that gets through is
   * remembered; if none does, the error says for each why. Default: WebSocket,
   * streaming, long-polling.
   */
  transports?: TransportKind[];
}

export interface SubscribeOptions {
  /** How many messages may wait for this page at the server. */
  maxMessages?: number;
  /** How many bytes they may have. */
  maxBytes?: number;
  /** What happens beyond these bounds. Default: disconnect. */
  overflow?: Overflow;
  /** Which header or JSON field says what a newer message replaces. */
  conflateKey?: string;
  /** Who settles the messages of a queue. Default: auto. */
  ack?: Ack;
  /** How many messages of a queue the page may have unsettled at a time. */
  prefetch?: number;
  /** Where to begin with a topic: earliest is all that the server has. Default: latest. */
  from?: 'latest' | 'earliest';
  /** Where to go on with a topic: the cursor of an earlier subscription. */
  cursor?: string;
  /** Told after each return to a topic: true if nothing was missed. */
  onrecovered?: (isWhole: boolean) => void;
  /** Told if the server refuses the subscription, now or after a return. */
  onerror?: (error: QmqError) => void;
  /** More headers for SUBSCRIBE; they never replace the client's own. */
  headers?: HeaderValues;
}

export interface PublishOptions {
  /** More headers for SEND; they never replace the client's own. */
  headers?: HeaderValues;
  /**
   * Default: text/plain for a string, none for bytes, application/json for
   * anything else.
   */
  contentType?: string;
  /**
   * False asks for no receipt: the promise then resolves as soon as the message
   * was handed on or queued, and a loss is never heard of. Default: true.
   */
  receipt?: boolean;
}

export interface RequestOptions {
  /** How many milliseconds the reply may take. Default 10000. */
  timeout?: number;
  /** More headers for SEND; they never replace the client's own. */
  headers?: HeaderValues;
  /** As that of PublishOptions. */
  contentType?: string;
}

export interface NackOptions {
  /**
   * False gives the message up: it becomes a dead letter, or is dropped.
   * Default true: it goes back to its queue and is delivered again.
   */
  requeue?: boolean;
}

/** What the server granted to a subscription, as far as it said. */
export interface Granted {
  maxMessages?: number;
  maxBytes?: number;
  /** How many messages of a queue may be unsettled. */
  prefetch?: number;
  /** The position in the stream at which the subscription began. */
  cursor?: string;
  /** Whether everything since the cursor that was asked for was still there. */
  recovered?: boolean;
}

/** One message. The body is decoded when it is asked for. */
export interface Message {
  readonly destination: string;
  /** The server's name for it (message-id). */
  readonly id: string;
  readonly headers: Headers;
  /** Whether it was delivered before, to whomever. */
  readonly redelivered: boolean;
  /** The body itself, not a copy. */
  bytes(): Uint8Array;
  /** The body as UTF-8; what is none becomes U+FFFD. */
  text(): string;
  /** The body as JSON; throws a SyntaxError if it is none. */
  json(): any;
  /**
   * The work is done: the queue forgets the message. Resolves on the server's
   * receipt; rejects with unknown-delivery if there is nothing to settle (any
   * more): `ack: 'auto'`, settled before, unsubscribed.
   */
  ack(): Promise<void>;
  /** The work was not done. Otherwise as ack. */
  nack(options?: NackOptions): Promise<void>;
  /**
   * Answers a request, as publish does. Rejects with missing-header if the
   * message asks for no reply.
   */
  reply(body?: unknown, headers?: HeaderValues): Promise<void>;
}

export interface Subscription {
  readonly destination: string;
  /**
   * Resolves with what was granted; rejects if it never came to be. A page need
   * not look at it.
   */
  readonly ready: Promise<Granted>;
  /**
   * How far it has read, for the option cursor of a later subscription; empty
   * as long as nothing is known.
   */
  readonly cursor: string;
  /** Told after each return to a topic: true if nothing was missed. */
  onrecovered: ((isWhole: boolean) => void) | null;
  /**
   * Told if the server refuses the subscription, now or after a return: it has
   * ended then, and nothing else has. Without it the client's error event tells.
   */
  onerror: ((error: QmqError) => void) | null;
  /**
   * No message is delivered from the moment of the call. Resolves on the
   * server's receipt.
   */
  unsubscribe(): Promise<void>;
}

/**
 * The client. Subscribing, publishing and asking need not wait for the connection.
 *
 * When the connection ends there is, in this order: what cannot be said again is
 * rejected (a request that was sent), one error event, one state event. Then it
 * is made anew: subscriptions go on where they were, and what was published and
 * not acknowledged is sent again, which the server notices. The client is closed
 * by the page, or by an error with `retry` false: every promise that waits is
 * rejected, and after the events `closed` resolves.
 */
export class Client {
  /**
   * @param url http, https, ws or wss, or relative to the page. Throws a
   *     TypeError if it is none, or if a header is no text.
   */
  constructor(url: string, options?: ClientOptions);

  readonly state: State;
  /** The name of the transport in use; empty while there is no connection. */
  readonly transport: string;
  /** Resolves when the client is closed for good, with what ended it. */
  readonly closed: Promise<QmqError>;
  onstate: ((state: State) => void) | null;
  onerror: ((error: QmqError) => void) | null;

  /** Adds a listener; what it returns removes it. */
  on(type: 'state', listener: (state: State) => void): () => void;
  on(type: 'error', listener: (error: QmqError) => void): () => void;

  /**
   * Throws an Error with the code bad-header if a header cannot be sent, and a
   * TypeError if one is no text.
   */
  subscribe(
      destination: string, onmessage: (message: Message) => void,
      options?: SubscribeOptions): Subscription;

  /**
   * @param body Text, bytes, a Blob or File, or anything that JSON knows.
   * @returns Resolves when the server has it; rejects with an Error of ours, or
   *     with a TypeError if the body is none, such as a Map. A page need not look
   *     at it.
   */
  publish(destination: string, body?: unknown, options?: PublishOptions): Promise<void>;

  /**
   * Publishes a message and waits for the reply to it; any number may wait at
   * the same time. Rejects with an Error of ours: request-timeout if no reply
   * came (a later one is dropped), or as publish does.
   */
  request(destination: string, body?: unknown, options?: RequestOptions): Promise<Message>;

  /**
   * Ends the client. What waits is rejected with the code closed, the state
   * event is fired once more, and nothing after it. May be called again.
   */
  dispose(): void;
}

/** The same as new Client(url, options). */
export function connect(url: string, options?: ClientOptions): Client;

/** What went wrong, in a form a program can act on. */
declare class QmqError extends globalThis.Error {
  constructor(code: string, detail?: string, message?: string | null, retry?: boolean | null);
  /** One of the codes that server and browser share, such as `closed`. */
  readonly code: string;
  /** What this one case adds; may be empty. */
  readonly detail: string;
  /** Whether trying again is of use. */
  readonly retry: boolean;
}

export {QmqError as Error};

/** Who hears what happens on a transport. */
export interface Listener {
  onopen(): void;
  /** Any part of the stream: several frames, or a piece of one. */
  ondata(data: string | Uint8Array): void;
  /** The WebSocket close number (1006 if there is none) and its reason. */
  onclose(code: number, reason: string): void;
}

/** One way to reach a server, for one connection. */
export interface Transport {
  /** Starts. Trouble is told to the listener, later; nothing is thrown. */
  open(): void;
  /** Sends a whole frame. Only between onopen and onclose. */
  send(data: string | Uint8Array): void;
  /** Ends it; the listener hears nothing more. May be called again. */
  close(): void;
}

/** What a client needs to know in order to choose a transport and make one. */
export interface TransportKind {
  readonly transportName: string;
  /** Whether this browser can do it. */
  enabled(): boolean;
  /** Whether it asks again and again for what there is. */
  readonly isPolling?: boolean;
  /** The URL is absolute, http or https; the kind puts its own scheme in. */
  create(url: string, listener: Listener): Transport;
}

/** STOMP over the browser's own WebSocket: `websocket`. */
export const WebSocketTransport: TransportKind;

/** Over HTTP answers that are read as they come: `streaming`. */
export const StreamingTransport: TransportKind;

/** Over HTTP answers, each of them whole: `long-polling`. */
export const LongPollingTransport: TransportKind;
