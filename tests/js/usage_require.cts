// The same package by require.

import qmq = require('qmq');
import testing = require('qmq/testing');

const fake = new testing.FakeTransport();
const client: qmq.Client = new qmq.Client('http://h/stomp', {transports: [fake]});
const closed: Promise<qmq.Error> = client.closed;

export = closed;
