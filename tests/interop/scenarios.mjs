// What users of queues do, with a stock client, against a node that is there.
//
//     node scenarios.mjs CLIENT PORT VERSION SCENARIO
//
// CLIENT is with_stompjs or with_stompit. What happened is reported in JSON, a line each;
// the test that runs this knows what it has to be, and how long it may take.

const [client, port, version, scenario] = process.argv.slice(2);
const {connect: connectTo} = await import(`./${client}.mjs`);

function connect(more) {
  return connectTo({port: Number(port), version, ...more});
}

function say(line) {
  console.log(JSON.stringify(line));
}

function bodies(messages) {
  return messages.map((message) => message.body);
}

function brief({body, headers}) {
  return [body, headers.redelivered ?? 'no', headers['delivery-count'] ?? '1'];
}

const SCENARIOS = {
  /** Settled one by one, out of order; given back; given up. */
  async individual() {
    const producer = await connect();
    const consumer = await connect();
    const inbox = consumer.subscribe('/queue/jobs', {'ack': 'client-individual', 'prefetch-count': '2'});
    for (const body of ['a', 'b', 'c', 'dö']) await producer.send('/queue/jobs', body, {kind: 'x', empty: ''});
    const [a, b] = await inbox.take(2);
    await consumer.send('/topic/fence', '');
    say({first: [a.body, b.body], more: inbox.length});
    say({headers: [a.headers.destination, a.headers.kind, a.headers.empty]});
    await b.ack();
    const c = await inbox.next();
    await a.nack();
    const again = await inbox.next();
    say({back: brief(again), instead: c.body});
    await again.ack();
    await c.nack({requeue: 'false'});
    const d = await inbox.next();
    say({last: d.body});
    await d.ack();
    await inbox.unsubscribe();
    await producer.send('/queue/jobs', 'stays');
    say({after: inbox.length});
    await Promise.all([producer.close(), consumer.close()]);
  },

  /** One ACK settles all before it; what is not settled goes to the next one. */
  async cumulative() {
    const producer = await connect();
    const first = await connect();
    const inbox = first.subscribe('/queue/jobs', {ack: 'client'});
    for (const body of '12345') await producer.send('/queue/jobs', body);
    const got = await inbox.take(5);
    say({first: bodies(got)});
    await got[2].ack();
    await first.close();
    const second = await connect();
    const rest = second.subscribe('/queue/jobs', {ack: 'client'});
    const left = await rest.take(2);
    say({second: left.map(brief)});
    await left[1].nack();
    const back = await rest.take(2);
    say({back: back.map(brief)});
    await back[1].ack();
    await Promise.all([producer.close(), second.close()]);
  },

  /** Sent, acknowledged and refused in transactions, committed and not. */
  async transactions() {
    const one = await connect();
    const other = await connect();
    const inbox = other.subscribe('/queue/out');
    const committed = one.begin();
    await committed.send('/queue/out', 'in 1');
    await committed.send('/queue/out', 'in 2');
    await one.send('/queue/out', 'outside');
    say({before: bodies([await inbox.next()])});
    await committed.commit();
    const aborted = one.begin();
    await aborted.send('/queue/out', 'never');
    await aborted.abort();
    await one.send('/queue/out', 'after');
    say({committed: bodies(await inbox.take(3))});

    const jobs = one.subscribe('/queue/jobs', {ack: 'client-individual'});
    await one.send('/queue/jobs', 'a');
    await one.send('/queue/jobs', 'b');
    const [a, b] = await jobs.take(2);
    const regretted = one.begin();
    await a.ack({transaction: regretted.id});
    await regretted.abort();
    const kept = one.begin();
    await a.ack({transaction: kept.id});
    await b.nack({transaction: kept.id});
    await kept.send('/queue/out', 'done');
    await one.send('/topic/fence', '');
    say({meanwhile: [jobs.length, inbox.length]});
    await kept.commit();
    say({settled: [brief(await jobs.next()), (await inbox.next()).body]});
    await Promise.all([one.close(), other.close()]);
  },

  /** Replies come to an address that is only this client's, subscribed or not. */
  async reply() {
    const service = await connect();
    const asker = await connect();
    const requests = service.subscribe('/queue/add', {ack: 'client-individual'});
    const replies = asker.replies('/temp-queue/sums');
    const own = asker.subscribe('/temp-queue/own');
    const serve = async () => {
      const request = await requests.next();
      const sum = request.body.split('+').reduce((all, each) => all + Number(each), 0);
      const id = request.headers['correlation-id'];
      await service.send(request.headers['reply-to'], String(sum), {'correlation-id': id});
      await request.ack();
      return request.headers['reply-to'];
    };
    const addresses = [];
    for (const [id, address] of [['1', 'sums'], ['2', 'sums'], ['3', 'own']]) {
      const headers = {'reply-to': `/temp-queue/${address}`, 'correlation-id': id};
      await asker.send('/queue/add', `${id}+40`, headers);
      addresses.push(await serve());
    }
    const [first, second] = await replies.take(2);
    const third = await own.next();
    say({replies: [first, second, third].map(({body, headers}) => [body, headers['correlation-id']])});
    say({unguessable: addresses.every((each) => /^\/temp-queue\/[0-9a-f]{24}\.(sums|own)$/.test(each))});
    await Promise.all([service.close(), asker.close()]);
  },

  /** Signs of life in both directions, with a consumer that has something unsettled. */
  async heartbeats() {
    const session = await connect({heartbeat: [100, 100]});
    const inbox = session.subscribe('/queue/jobs', {ack: 'client'});
    await session.send('/queue/jobs', 'x');
    const message = await inbox.next();
    await session.beats.take(6);
    await message.ack();
    say({beats: 'both ways'});
    await session.close();
  },

  /** Refused with a reason that can be read, and with the receipt that was asked for. */
  async errors() {
    const bad = await connect();
    bad.sendBadly('/nowhere', 'x');
    say({error: await bad.error});
    await bad.closed;
    const full = await connect();
    await full.send('/queue/small', 'fits', {'x-max-length': '1'});
    full.sendBadly('/queue/small', 'does not fit');
    say({error: await full.error});
    await full.closed;
  },

  /** A thousand jobs for three workers, one of whom vanishes with what it has. */
  async workers() {
    const producer = await connect();
    const workers = await Promise.all([connect(), connect(), connect()]);
    const done = new Map();
    let redelivered = 0;
    let finish;
    const finished = new Promise((resolve) => finish = resolve);
    const work = async (session, quits) => {
      const inbox = session.subscribe('/queue/work', {'ack': 'client-individual', 'prefetch-count': '10'});
      for (let count = 1; ; count++) {
        const message = await inbox.next();
        if (count === quits) return session.vanish();
        if (message.headers.redelivered) redelivered++;
        done.set(message.body, (done.get(message.body) ?? 0) + 1);
        await message.ack();
        if (done.size === 1000) finish();
      }
    };
    workers.forEach((session, index) => work(session, index === 0 ? 50 : 0));
    const sent = [];
    for (let number = 0; number < 1000; number++) sent.push(producer.send('/queue/work', String(number)));
    await Promise.all([...sent, finished]);
    say({done: done.size, twice: [...done.values()].filter((count) => count > 1).length});
    say({redelivered: redelivered > 0 && redelivered <= 10});
    await Promise.all([producer.close(), workers[1].close(), workers[2].close()]);
  },
};

await SCENARIOS[scenario]();
say({end: scenario});
