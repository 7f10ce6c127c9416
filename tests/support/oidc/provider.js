// An OpenID provider for one test run. Its settings are one line of JSON on standard input; the line "rotate" changes
// its keys; the end of standard input ends it. Who signs in types a login of `accounts`, with any password.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

let answer;
let keysMade = 0;

function makeKey() {
  keysMade += 1;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: `key-${keysMade}`, alg: 'RS256', use: 'sig' };
}

function makeProvider({ issuer, clients, accounts }) {
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [makeKey()] },
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    findAccount: (_, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
    features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    cookies: { keys: ['of this run only'] },
    pkce: { required: () => true },
  });
  return provider.callback();
}

let settings;
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'rotate') {
    answer = makeProvider(settings);
  } else {
    settings = JSON.parse(line);
    answer = makeProvider(settings);
    createServer((request, response) => answer(request, response)).listen(settings.port, '127.0.0.1');
  }
}
process.exit(0);
