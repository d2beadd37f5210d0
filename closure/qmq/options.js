/**
 * @fileoverview What a page may ask for, and what it is granted: records, each
 * field with its default. There is no code here and there never will be.
 */

goog.module('qmq.options');

const QmqError = goog.requireType('qmq.Error');
const State = goog.requireType('qmq.State');
const TransportKind = goog.requireType('qmq.net.TransportKind');

/**
 * The options of qmq.Client.
 * @record
 */
class ClientOptions {
  constructor() {
    /**
     * Fetches a token, each time the client logs in, and again before it
     * expires. It goes out as the passcode of the login `token`; login and
     * passcode below are then unused.
     * @export {(function(): (string|!Promise<string>))|undefined}
     */
    this.token;
    /** @export {string|undefined} */
    this.login;
    /** @export {string|undefined} */
    this.passcode;
    /**
     * More headers for CONNECT; they never replace the client's own.
     * @export {!Object<string, string>|undefined}
     */
    this.headers;
    /** @export {(function(!State): void)|undefined} */
    this.onstate;
    /** @export {(function(!QmqError): void)|undefined} */
    this.onerror;
    /**
     * How many messages wait at most for a connection, and for the server's
     * receipt when the connection has ended. Default 1000.
     * @export {number|undefined}
     */
    this.maxQueued;
    /**
     * How many bytes these have at most. Default 1 MiB.
     * @export {number|undefined}
     */
    this.maxQueuedBytes;
    /**
     * How many milliseconds there are between signs of life, both ways; after
     * one and a half times as long without any the connection is given up.
     * Default 25000; 0 for none.
     * @export {number|undefined}
     */
    this.heartBeat;
    /**
     * The transports to choose from, the best first. Each that gets through is
     * remembered; if none does, the error says for each why.
     * Default: WebSocket, streaming, long-polling. Tests put a qmq.testing.FakeTransport here.
     * @export {!Array<!TransportKind>|undefined}
     */
    this.transports;
  }
}

/**
 * The options of Client.subscribe. The server lowers bounds that are over its
 * own and says in Granted what it gave.
 * @record
 */
class SubscribeOptions {
  constructor() {
    /**
     * How many messages may wait for this page at the server.
     * @export {number|undefined}
     */
    this.maxMessages;
    /** @export {number|undefined} */
    this.maxBytes;
    /**
     * What happens beyond: disconnect (the default), drop-oldest, drop-newest
     * or conflate.
     * @export {string|undefined}
     */
    this.overflow;
    /**
     * Which header or JSON field says what a newer message replaces.
     * @export {string|undefined}
     */
    this.conflateKey;
    /**
     * Who settles the messages of a work queue: auto (the default), the server
     * does when it sends them; client-individual, the page does, each one;
     * client, the page does, each one with all that came before it.
     * @export {string|undefined}
     */
    this.ack;
    /**
     * How many messages the page may have unsettled at the same time.
     * @export {number|undefined}
     */
    this.prefetch;
    /**
     * Where to begin with a topic: latest (the default), or earliest for all
     * that the server still has.
     * @export {string|undefined}
     */
    this.from;
    /**
     * Where to go on with a topic: the cursor of an earlier subscription.
     * @export {string|undefined}
     */
    this.cursor;
    /**
     * Told after each return to a topic: true if nothing was missed.
     * @export {(function(boolean): void)|undefined}
     */
    this.onrecovered;
    /**
     * Told if the server refuses the subscription, now or after a return.
     * @export {(function(!QmqError): void)|undefined}
     */
    this.onerror;
    /** @export {!Object<string, string>|undefined} */
    this.headers;
  }
}

/**
 * The options of Client.publish.
 * @record
 */
class PublishOptions {
  constructor() {
    /** @export {!Object<string, string>|undefined} */
    this.headers;
    /**
     * Default: text/plain for a string, none for bytes, application/json for
     * anything else.
     * @export {string|undefined}
     */
    this.contentType;
    /**
     * False asks for no receipt: the promise then resolves as soon as the
     * message was handed on or queued, and a loss is never heard of.
     * @export {boolean|undefined}
     */
    this.receipt;
  }
}

/**
 * The options of Client.request.
 * @record
 */
class RequestOptions {
  constructor() {
    /**
     * How many milliseconds the reply may take. Default 10000.
     * @export {number|undefined}
     */
    this.timeout;
    /** @export {!Object<string, string>|undefined} */
    this.headers;
    /**
     * As that of PublishOptions.
     * @export {string|undefined}
     */
    this.contentType;
  }
}

/**
 * The options of Message.nack.
 * @record
 */
class NackOptions {
  constructor() {
    /**
     * False gives the message up: it becomes a dead letter, or is dropped.
     * Default true: it goes back to the queue, to be delivered again.
     * @export {boolean|undefined}
     */
    this.requeue;
  }
}

/**
 * What the server granted to a subscription, as far as it said.
 * @record
 */
class Granted {
  constructor() {
    /** @export {number|undefined} */
    this.maxMessages;
    /** @export {number|undefined} */
    this.maxBytes;
    /**
     * How many messages of a queue may be unsettled.
     * @export {number|undefined}
     */
    this.prefetch;
    /**
     * The position in the stream at which the subscription began.
     * @export {string|undefined}
     */
    this.cursor;
    /**
     * Whether everything since the cursor that was asked for was still there.
     * @export {boolean|undefined}
     */
    this.recovered;
  }
}

exports = {ClientOptions, Granted, NackOptions, PublishOptions, RequestOptions, SubscribeOptions};
