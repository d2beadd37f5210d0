/**
 * SockJS as one more transport, for pages that bring its client:
 *
 *     import SockJS from 'sockjs-client';
 *     import {connect, WebSocketTransport} from 'qmq';
 *     import {transport} from 'qmq/sockjs';
 *     const client = connect('/stomp', {transports: [WebSocketTransport, transport(SockJS)]});
 */

import type {TransportKind} from './qmq';

/** The server's `/sockjs` is expected beside its `/stomp`. */
export function transport(SockJS: new (url: string) => object): TransportKind;

