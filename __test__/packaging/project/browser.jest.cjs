// In an environment that plays a browser: other timers and signals, and no setImmediate.
const { AutoGenxBindAgent, Identity } = require('@private.me/autogen')
const { MessageVerifier } = require('@private.me/autogen/messages')
const { issueToken, TokenVerifier } = require('@private.me/autogen/tokens')

test('agents call each other, one by one and many at once', async () => {
  expect(typeof window).toBe('object')
  const caller = new AutoGenxBindAgent()
  const callee = new AutoGenxBindAgent({ name: 'callee' }).handle(({ payload }) => payload)
  expect(await caller.call('callee', 1)).toStrictEqual({ ok: true, value: 1 })
  const many = await Promise.all(Array.from({ length: 1000 }, (_, n) => caller.call('callee', n)))
  expect(many.map(({ value }) => value)).toEqual(Array.from({ length: 1000 }, (_, n) => n))
  expect((await caller.receive({ waitMs: 1 })).value).toEqual([])
  callee.handle(({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)))
  expect((await caller.call('callee', 1, { timeoutMs: 10 })).error.code).toBe('TIMEOUT')
  const controller = new AbortController()
  const call = caller.call('callee', 1, { signal: controller.signal })
  controller.abort()
  expect((await call).error.code).toBe('ABORTED')
})

test('rights and messages', async () => {
  const identity = Identity.generate()
  const other = Identity.generate()
  const issued = issueToken(identity, { subject: other.did, audience: 'here', scopes: ['a'] })
  const verifier = new TokenVerifier({
    audience: 'here',
    trust: [identity.did],
    revocations: { isRevoked: async () => false },
  })
  expect((await verifier.verify(issued.value)).ok).toBe(true)
  const sealed = identity.seal({ op: 'send', to: other.did, body: new Uint8Array([1]) })
  expect(new MessageVerifier({ audience: other.did }).open(sealed.value.jws, sealed.value.body).ok).toBe(true)
})
