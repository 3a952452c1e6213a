const assert = require('node:assert/strict')
const { issueToken, TokenVerifier } = require('@private.me/autogen/tokens')
const { MessageVerifier } = require('@private.me/autogen/messages')
const { signRequestHeaders } = require('@private.me/autogen/http')
const { verifyReceipt } = require('@private.me/autogen/record')
const { Identity } = require('@private.me/autogen')

const [issuer, holder] = [Identity.generate(), Identity.generate()]
const issued = issueToken(issuer, { subject: holder.did, audience: 'here', scopes: ['a'] })
assert(new TokenVerifier({ audience: 'here', trust: [issuer.did] }).verifySync(issued.value).ok)
const sealed = issuer.seal({ op: 'send', to: holder.did, body: new Uint8Array([1]) })
assert(new MessageVerifier({ audience: holder.did }).open(sealed.value.jws, sealed.value.body).ok)
assert(signRequestHeaders(issuer, { method: 'GET', url: 'https://api.example/' }).ok)
assert.equal(
  verifyReceipt({ call: '', answer: '' }, { caller: issuer.did, agent: holder.did }).error.code,
  'MALFORMED_MESSAGE',
)
console.log('the parts are one')
