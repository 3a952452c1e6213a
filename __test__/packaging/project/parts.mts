// An identity of one part is an identity in the others, also for the compiler.
import { type Handler, Identity, type Result, XBindError } from '@private.me/autogen'
import { RequestVerifier, type VerifiedRequest } from '@private.me/autogen/http'
import { MessageVerifier, type VerifiedMessage } from '@private.me/autogen/messages'
import { type VerifiedReceipt, verifyReceipt } from '@private.me/autogen/record'
import { issueToken, RevocationList, type TokenClaims, TokenVerifier } from '@private.me/autogen/tokens'

const issuer: Identity = Identity.generate()
const issued: Result<string> = issueToken(issuer, { subject: issuer.did, audience: 'here', scopes: ['a'] })
if (!issued.ok) throw issued.error
const revocations = new RevocationList()
const verifier = new TokenVerifier({ audience: 'here', trust: [issuer.did], revocations })
const claims: Result<TokenClaims, XBindError> = verifier.verifySync(issued.value)
export const opened: Result<VerifiedMessage> = new MessageVerifier({ audience: issuer.did }).open('', new Uint8Array())
export const received: Promise<Result<VerifiedRequest>> = new RequestVerifier({ authorities: ['here'] }).verify({
  method: 'GET',
  url: '/',
})
export const shown: Result<VerifiedReceipt> = verifyReceipt({ call: '', answer: '' }, { caller: '', agent: '' })
export const handler: Handler<string, number> = ({ payload }) => payload.length
// @ts-expect-error: an identity is no text
export const wrong = (): unknown => issueToken('issuer', { subject: issuer.did, audience: 'here', scopes: [] })
if (claims.ok && !opened.ok && opened.error instanceof XBindError) console.log('the parts are one')
