// Who is compared. `package` names the npm package under test; the label says what a call of this peer does not prove.
export const peers = {
  ours: { label: 'this package', ours: true },
  'ours-with-token': { label: 'this package, every call with a token' },
  'json-stringify': { label: 'JSON.stringify', proves: 'nothing' },
  unsigned: { label: 'hand-rolled, no signatures', proves: 'nothing' },
  'node-crypto': { label: 'hand-rolled, node:crypto' },
  'sodium-native': { label: 'hand-rolled, sodium-native', package: 'sodium-native' },
  jose: { label: 'jose', package: 'jose' },
  'fast-jwt': { label: 'fast-jwt', package: 'fast-jwt' },
  'node-rs-jsonwebtoken': { label: '@node-rs/jsonwebtoken', package: '@node-rs/jsonwebtoken' },
  'http-message-signatures': { label: 'http-message-signatures, node:crypto', package: 'http-message-signatures' },
  'web-bot-auth': { label: 'web-bot-auth', package: 'web-bot-auth' },
  'http-jose': { label: 'HTTP + jose, token reused, reply unsigned', package: 'jose', proves: 'less' },
  'http-jose-fresh': { label: 'HTTP + jose, token per call, reply unsigned', package: 'jose', proves: 'less' },
  'agent-governance-sdk': { label: 'Microsoft agent-governance-sdk', package: '@microsoft/agent-governance-sdk' },
  'agent-passport-system': { label: 'agent-passport-system', package: 'agent-passport-system' },
}
