// oidc-provider with what it needs for the four measured requests. What it keeps is in PostgreSQL where the settings
// name a database, so that it outlives the process as ours does; otherwise in memory, its best case, which its own
// documentation calls unfit for production. Proofs and assertions that were used stay in memory in both.
//
// Usage: node server.mjs PORT SETTINGS.json MODULES   (client, its public key, thumbprint of its DPoP key, database)
// POST /sow?what=codes|refresh|opaque&count=N hands out codes or tokens as if a holder had allowed them.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [port, settingsPath, modules] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(settingsPath, 'utf8'));
const require = createRequire(join(modules, 'package.json'));
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

class Kept {
  static store = new Map();
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload) { Kept.store.set(this.key(id), payload); }
  async find(id) { return Kept.store.get(this.key(id)); }
  async findByUserCode() { return undefined; }
  async findByUid() { return undefined; }
  async consume(id) { Kept.store.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { Kept.store.delete(this.key(id)); }
  async revokeByGrantId() {}
}

const { default: pg } = await import(pathToFileURL(require.resolve('pg')).href);
const pool = settings.database ? new pg.Pool({ connectionString: settings.database, max: 4 }) : undefined;
await pool?.query('CREATE TABLE IF NOT EXISTS kept'
  + ' (model text, id text, payload jsonb NOT NULL, consumed bigint, expires_at bigint, PRIMARY KEY (model, id))');

class Stored extends Kept {
  run(name, text, ...values) { return pool.query({ name, text, values: [this.name, ...values] }); }
  async upsert(id, payload, expiresIn) {
    await this.run('upsert', 'INSERT INTO kept (model, id, payload, expires_at) VALUES ($1, $2, $3, $4)'
      + ' ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at',
    id, payload, Math.floor(Date.now() / 1000) + expiresIn);
  }
  async find(id) {
    const { rows } = await this.run('find', 'SELECT payload, consumed FROM kept WHERE model = $1 AND id = $2', id);
    return rows[0] && { ...rows[0].payload, ...(rows[0].consumed && { consumed: Number(rows[0].consumed) }) };
  }
  async consume(id) {
    await this.run('consume', 'UPDATE kept SET consumed = $3 WHERE model = $1 AND id = $2', id, Math.floor(Date.now() / 1000));
  }
  async destroy(id) { await this.run('destroy', 'DELETE FROM kept WHERE model = $1 AND id = $2', id); }
}

const adapterOf = (model) => new (pool && model !== 'ReplayDetection' ? Stored : Kept)(model);

const signing = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const provider = new Provider(settings.issuer, {
  adapter: adapterOf,
  jwks: { keys: [{ ...signing, alg: 'ES256', use: 'sig', kid: 'bench-1' }] },
  clients: [{
    client_id: settings.client,
    redirect_uris: [settings.redirect_uri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    id_token_signed_response_alg: 'ES256',
    dpop_bound_access_tokens: true,
    jwks: { keys: [settings.public_jwk] },
    subject_type: 'public',
  }],
  scopes: ['openid', 'offline_access', 'card.read'],
  clientAuthMethods: ['private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'], dPoPSigningAlgValues: ['ES256'] },
  rotateRefreshToken: false,
  cookies: { keys: [randomUUID()] },
  ttl: { AccessToken: 600, AuthorizationCode: 600, RefreshToken: 86400, Grant: 86400, IdToken: 600 },
  findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7) },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.body?.resource ? ctx.oidc.body.resource : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'card.read', audience: settings.resource, accessTokenFormat: 'jwt', accessTokenTTL: 600,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
provider.on('server_error', (_ctx, error) => console.error(error));

async function allow(client) {
  const grant = new provider.Grant({ accountId: 'holder-1', clientId: client.clientId });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(settings.resource, 'card.read');
  return grant.save();
}

const common = (client, grantId) => ({
  accountId: 'holder-1', client, grantId, gty: 'authorization_code', authTime: Math.floor(Date.now() / 1000),
  claims: {}, sessionUid: randomUUID(), expiresWithSession: false,
});

const makers = {
  codes: (client, grantId) => new provider.AuthorizationCode({
    ...common(client, grantId), scope: 'openid card.read', resource: settings.resource, redirectUri: settings.redirect_uri,
    codeChallenge: settings.code_challenge, codeChallengeMethod: 'S256',
  }),
  refresh: (client, grantId) => new provider.RefreshToken({
    ...common(client, grantId), scope: 'openid offline_access card.read', resource: settings.resource, rotations: 0,
  }),
  opaque: (client, grantId) => new provider.AccessToken({
    ...common(client, grantId), scope: 'openid', jkt: settings.thumbprint,
  }),
};

async function sow(url) {
  const client = await provider.Client.find(settings.client);
  const grantId = await allow(client);
  const made = [];
  for (let left = Number(url.searchParams.get('count')); left > 0; left -= 1) {
    made.push(await makers[url.searchParams.get('what')](client, grantId).save());
  }
  return made;
}

const answer = provider.callback();
createServer(async (request, response) => {
  const url = new URL(request.url, settings.issuer);
  if (url.pathname !== '/sow') { answer(request, response); return; }
  const body = JSON.stringify(await sow(url));
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}).listen(Number(port), '127.0.0.1');
