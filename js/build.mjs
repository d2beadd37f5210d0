/**
 * @fileoverview Builds the browser client: writes the table of error codes from
 * the server's and the deps.js of uncompiled pages, compiles closure/qmq, and
 * wraps the result for script tags (and require) and as a module. Compiles the
 * demo that is compiled together with the client, too.
 *
 *     node js/build.mjs           writes the files
 *     node js/build.mjs --check   writes nothing; exit 1 if any file differs
 *
 * The same sources give the same bytes on every machine: nothing here reads a
 * clock or writes a path. A warning of the compiler is an error.
 */

import {execFile} from 'node:child_process';
import {readFile, writeFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const ERRORS = 'server/qmq/errors.json';
const TABLE = 'closure/qmq/errorcode.js';

// The native compiler's own package says where it lies; it needs no Java.
const COMPILER = createRequire(import.meta.url).resolve(
    'google-closure-compiler/cli.js');

/** What is built: the entry, and what it puts into qmqExports. */
const BUNDLES = [
  {
    entry: 'js/entry.js',
    namespace: 'qmq.entry',
    dist: 'js/dist/qmq',
    global: 'root.qmq',
    names: ['connect', 'Client', 'Error', 'WebSocketTransport',
      'StreamingTransport', 'LongPollingTransport'],
  },
  {
    entry: 'js/entry_testing.js',
    namespace: 'qmq.testing.entry',
    dist: 'js/dist/qmq-testing',
    global: '(root.qmq = root.qmq || {}).testing',
    names: ['FakeTransport'],
  },
  {
    entry: 'js/entry_sockjs.js',
    namespace: 'qmq.sockjs.entry',
    dist: 'js/dist/qmq-sockjs',
    global: '(root.qmq = root.qmq || {}).sockjs',
    names: ['transport'],
  },
];

/** The demo of a Closure page: its code and the client's in one file. */
const DEMO = {
  entry: 'js/demos/ways/hello.js',
  namespace: 'qmq.demo.hello',
  script: 'js/demos/ways/compiled.js',
};

/** Which module lies in which file, for pages that load them one by one. */
const DEPS = [
  {path: 'closure/qmq/deps.js', words: 'the client', from: ['-r', 'closure/qmq', '-e', '**/*_test.js', '-e', '**/deps.js']},
  {path: 'js/demos/ways/deps.js', words: 'the page', from: ['-f', DEMO.entry]},
];

/** From base.js to where a gateway serves each folder. */
const SERVED = [['closure/qmq/', '../qmq/'], ['js/demos/', '../../demo/']];

const LICENCE = '/* QMQ, the Quick Message Queue. Licence: Apache-2.0. */\n';

/**
 * An ERROR frame says the sentence of its code. Only of these does the browser
 * say it itself: it finds them, or they are all that the end of a connection tells.
 */
const OWN = new Set([
  'bad-frame', 'bad-escape', 'bad-utf8', 'frame-too-large', 'headers-too-large', 'bad-header', 'missing-header',
  'bad-origin', 'unknown-delivery', 'slow-consumer', 'outbox-full', 'heartbeat-lost', 'request-timeout',
  'unknown-session', 'shutting-down', 'too-many-connections', 'internal-error', 'connect-failed', 'connection-lost',
  'closed',
]);

/** What the number of a close says of coming back; closure/qmq/errorcode.js has the same. */
const comesBack = (close) => (close > 3999 && close < 4500) || close === 1006 || (close > 1010 && close < 1014);

/** The table of error codes as a Closure module, but for those that only answer HTTP requests. */
function errorTable(errors) {
  const row = ([code, {close, retry, text}]) => {
    if (retry !== comesBack(close)) throw new Error(`${code}: ${close} says something else than retry: ${retry}`);
    const own = OWN.has(code) ? `, ${quote(text)}` : '';
    return `  [${quote(code)}, ${close}${own}],`;
  };
  return `/**
 * @fileoverview The error codes that server and browser share. Made by
 * js/build.mjs from ${ERRORS}; change that file, not this one.
 */

goog.module('qmq.errorcode');

/**
 * Code, WebSocket close number, and a sentence for people where the server
 * does not always say it.
 * @const {!Array<!Array<string|number>>}
 */
const ROWS = [
${Object.entries(errors).filter(([, {http}]) => !http).map(row).join('\n')}
];

/**
 * close: the WebSocket close number. retry: whether to try again is of use.
 * text: a sentence for people; empty if the server always says it.
 * @const {!Map<string, {close: number, retry: boolean, text: string}>}
 */
const TABLE = new Map(ROWS.map(([code, number, text]) => {
  const close = Number(number);
  const retry = (close > 3999 && close < 4500) || close === 1006 || (close > 1010 && close < 1014);
  return [String(code), {close, retry, text: String(text || '')}];
}));

exports = {TABLE};
`;
}

/** What tells base.js where the modules are, relative to it, as a gateway serves them. */
async function depsOf({from, words}) {
  const library = 'node_modules/google-closure-library/closure/goog';
  const {stdout} = await promisify(execFile)(
      process.execPath, ['node_modules/.bin/closure-make-deps', ...from, '--no-validate', '--closure-path', library],
      {cwd: ROOT});
  const lines = stdout.split('\n').filter((line) => line.startsWith('goog.') && line.includes('../'));
  const there = SERVED.reduce(
      (text, [folder, url]) => text.replaceAll(`'../../../../${folder}`, `'${url}`), lines.join('\n'));
  return `/**
 * @fileoverview Where the modules of ${words} are, for pages that load them with
 * base.js of the Closure Library. Made by js/build.mjs.
 */

${there}
`;
}

/** A JavaScript string in single quotes. */
function quote(text) {
  const inner = JSON.stringify(text).slice(1, -1);
  return `'${inner.replace(/\\"/g, '"').replace(/'/g, '\\\'')}'`;
}

/** Strictest: every warning is an error, lint included. */
function flags({entry, namespace, names}) {
  return [
    '--compilation_level=ADVANCED',
    '--dependency_mode=PRUNE',
    `--entry_point=goog:${namespace}`,
    '--js=node_modules/google-closure-library/closure/goog/base.js',
    '--js=closure/qmq/**.js',
    '--js=!closure/qmq/**_test.js',
    '--js=!closure/qmq/deps.js',
    '--js=!closure/qmq/closure/**.js',
    `--js=${entry}`,
    '--externs=js/externs.js',
    '--language_out=ECMASCRIPT_2018',
    // Every browser that has WebSocket messages as ArrayBuffer has these too.
    '--rewrite_polyfills=false',
    '--warning_level=VERBOSE',
    '--jscomp_error=*',
    '--hide_warnings_for=google-closure-library',
    '--define=goog.DEBUG=false',
    '--assume_function_wrapper',
    // Without names for others, nothing is kept but what the entry uses.
    `--generate_exports=${!!names}`,
    ...(names ? ['--export_local_property_definitions'] : []),
    '--emit_use_strict=false',
  ];
}

/** What an entry compiles to, without a wrapper. */
async function compile(bundle) {
  const {stdout} = await promisify(execFile)(
      process.execPath, [COMPILER, '--platform=native', ...flags(bundle)],
      {cwd: ROOT, maxBuffer: 1 << 24});
  // The one licence comment is base.js's, of which nothing is left in it.
  return stdout.replace(/^\/\*[^]*?\*\/\s*/, '').trim();
}

/** For a script tag, which sets a global, and for require. */
function asScript(code, {global}) {
  return `${LICENCE}(function(root){"use strict";var qmqExports={};
(function(){${code}}).call(root);
if(typeof module==="object"&&module.exports)module.exports=qmqExports;else ${global}=qmqExports;
})(typeof self!=="undefined"?self:globalThis);
`;
}

/** For import, by name or all together. Names are set apart: one of them is Error. */
function asModule(code, {names}) {
  const exported = names.map((name) => `qmq$${name} as ${name}`).join(',');
  const picked = names.map((name) => `qmq$${name}=qmqExports.${name}`).join(',');
  return `${LICENCE}const qmqExports={};
(function(){${code}}).call(globalThis);
const ${picked};
export {${exported},qmqExports as default};
`;
}

/** Writes a file, or compares it; answers whether it was the same. */
async function settle(path, text, isCheck) {
  const there = await readFile(join(ROOT, path), 'utf8').catch(() => null);
  if (there === text) return true;
  if (isCheck) console.error(`${path} is not what its sources make: npm run build`);
  else await writeFile(join(ROOT, path), text);
  return false;
}

async function main(isCheck) {
  const errors = JSON.parse(await readFile(join(ROOT, ERRORS), 'utf8'));
  // The compiler reads the table, so a stale one ends a check here.
  if (!await settle(TABLE, errorTable(errors), isCheck) && isCheck) return 1;
  let isSame = await settle(
      DEMO.script, `${LICENCE}(function(){${await compile(DEMO)}}).call(window);\n`, isCheck);
  for (const deps of DEPS) {
    isSame = await settle(deps.path, await depsOf(deps), isCheck) && isSame;
  }
  for (const bundle of BUNDLES) {
    const code = await compile(bundle);
    const script = await settle(`${bundle.dist}.js`, asScript(code, bundle), isCheck);
    const module = await settle(`${bundle.dist}.mjs`, asModule(code, bundle), isCheck);
    isSame = isSame && script && module;
  }
  return isCheck && !isSame ? 1 : 0;
}

main(process.argv.includes('--check')).then(
    (code) => {
      process.exitCode = code;
    },
    (error) => {
      console.error(error.stderr || error);
      process.exitCode = 1;
    });
