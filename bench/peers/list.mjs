// Who is compared. `package` names the npm package under test; the label says what a call of this peer does not prove.
export const peers = {
  ours: { label: 'this package', ours: true },
  'ours-with-token': { label: 'this package, every call with a token' },
  'ours-with-schema': { label: 'this package, a method with zod schemas' },
  'ours-watched': { label: 'this package, its channels listened to' },
  'json-stringify': { label: 'JSON.stringify', proves: 'nothing' },
  unsigned: { label: 'hand-rolled, no signatures', proves: 'nothing' },
  'node-crypto': { label: 'hand-rolled, node:crypto' },
  'sodium-native': { label: 'hand-rolled, sodium-native', package: 'sodium-native' },
  jose: { label: 'jose', package: 'jose' },
  'fast-jwt': { label: 'fast-jwt', package: 'fast-jwt' },
  'node-rs-jsonwebtoken': { label: '@node-rs/jsonwebtoken', package: '@node-rs/jsonwebtoken' },
  'http-jose': { label: 'HTTP + jose, token reused, reply unsigned', package: 'jose', proves: 'less' },
  'http-jose-fresh': { label: 'HTTP + jose, token per call, reply unsigned', package: 'jose', proves: 'less' },
  'agent-governance-sdk': { label: 'Microsoft agent-governance-sdk', package: '@microsoft/agent-governance-sdk' },
  'agent-passport-system': { label: 'agent-passport-system', package: 'agent-passport-system' },
}
