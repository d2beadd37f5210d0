// avsc for node, as its users use it: calls of QMQ's protocol over HTTP, told in JSON. Arguments: port, text of the protocol.

import http from 'node:http';

import avro from 'avsc';

const [port, text] = process.argv.slice(2);
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
const service = avro.Service.forProtocol(JSON.parse(text));
const client = service.createClient();
const matches = [];

const channel = client.createChannel((cb) => {
  const options = {port, path: '/avro', method: 'POST', agent, headers: {'content-type': 'avro/binary'}};
  return http.request(options).on('response', (res) => cb(null, res)).on('error', cb);
}, {noPing: true});  // by itself it pings once, at some time
channel.on('handshake', (_, response) => matches.push(response.match));

function call(name, request) {
  return new Promise((resolve, reject) => {
    client.emitMessage(name, request, (error, response) => error ? reject(error) : resolve(response));
  });
}

function tell(value) {
  console.log(JSON.stringify(value, (_, each) => each?.type === 'Buffer' ? Buffer.from(each.data).toString() : each));
}

await new Promise((resolve, reject) => channel.ping(5000, (error) => error ? reject(error) : resolve()));
tell({matches: matches.splice(0)});

const [id] = await call('publish', {messages: [{destination: '/topic/a', body: Buffer.from('dö'), extra: 7}]});
const page = await call('poll', {destination: '/topic/a', from: 'earliest'});
tell({same: page.messages[0].id === id, body: page.messages[0].body, next: page.cursor === id});

await call('publish', {messages: [{destination: 'nowhere', body: Buffer.alloc(0)}]}).catch((error) => {
  tell({error: error.code, is: error.constructor.name, retry: error.retry});
});

if (service.message('consume')) {
  await call('send', {messages: [{destination: '/queue/a', body: Buffer.from('1')}]});
  const [delivery] = await call('consume', {destination: '/queue/a', wait: 5});
  tell({job: delivery.body, settled: (await call('settle', {ack: [delivery.token, 'none']})).settled});
}
tell({matches});
channel.destroy();
agent.destroy();
