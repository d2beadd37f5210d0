/**
 * A transport without a network, for the tests of pages that use the client.
 * The test plays the server's part:
 *
 *     const fake = new FakeTransport();
 *     const client = new Client('http://any/stomp', {transports: [fake]});
 *     await fake.accept();
 *     const sub = client.subscribe('/topic/a', (m) => seen.push(m.text()));
 *     fake.answer(fake.takeSent());
 *     fake.message('0', '/topic/a', 'hi');
 */

import type {Headers, Listener, Transport, TransportKind} from './qmq';

export interface Frame {
  readonly command: string;
  readonly headers: Map<string, string>;
  readonly body: Uint8Array;
}

export class FakeTransport implements Transport, TransportKind {
  transportName: string;
  /** The URL of the last connection. */
  url: string;
  /** How many connections were tried. */
  opens: number;
  /** Whether there is a connection now. */
  isOpen: boolean;

  enabled(): boolean;
  create(url: string, listener: Listener): Transport;
  open(): void;
  send(data: string | Uint8Array): void;
  close(): void;

  /** Resolves when the client connects, at once if it has. */
  opened(): Promise<void>;
  /** Lets the client in. Resolves with its CONNECT frame. */
  accept(headers?: Headers): Promise<Frame>;
  /** The one frame sent since the last take; throws if it was not one. */
  takeSent(): Frame;
  /** All frames sent since the last take. */
  takeAllSent(): Frame[];
  /** The client receives a frame. */
  receive(command: string, headers: Headers, body?: string | Uint8Array): void;
  /** The client receives any part of the stream. */
  receiveData(data: string | Uint8Array): void;
  /** The client receives a message; '0' is its first subscription. */
  message(
      subscription: string, destination: string, body: string | Uint8Array,
      headers?: Headers): void;
  /**
   * The server cannot be reached, or does not let the client in. It tries again
   * after a while, unless the code says that there is no use.
   */
  refuse(code?: number, reason?: string): Promise<void>;
  /** The client receives the receipt that a frame of its asked for. */
  answer(frame: Frame, headers?: Headers): void;
  /** The client receives the reply that a request of its asked for. */
  reply(frame: Frame, body: string | Uint8Array, headers?: Headers): void;
  /** The connection ends. */
  drop(code?: number, reason?: string): void;
  /** Who listens to the connection; throws if there is none. */
  listener(): Listener;
}
