import {
  type AgentConfig,
  type AnswerStream,
  approvals,
  AutoGenxBindAgent,
  type DeliveryReceipt,
  type Handler,
  HandlerError,
  Identity,
  type IncomingCall,
  isReceipt,
  type Message,
  MessageBus,
  type Progress,
  type Result,
  type SealedMessage,
  type StandardSchema,
  type VerifiedMessage,
  XBindError,
  type XBindErrorCode,
  didToPublicKey,
  publicKeyToDID,
  verifySignature,
} from '@private.me/autogen'
import { MessageVerifier } from '@private.me/autogen/messages'
import { describe, expectTypeOf, test } from 'vitest'

declare const agent: AutoGenxBindAgent
declare const identity: Identity
declare const bytes: Uint8Array

describe('Result', () => {
  test('ok tells value from error, and nothing in it changes', () => {
    const result = {} as Result<number>
    if (result.ok) expectTypeOf(result.value).toEqualTypeOf<number>()
    else expectTypeOf(result.error).toEqualTypeOf<XBindError>()
    // @ts-expect-error: not before ok has been looked at
    void result.value
    // @ts-expect-error: what was answered stays
    result.ok = true
  })
})

describe('errors', () => {
  test('an XBindError is an Error with a known code', () => {
    expectTypeOf<XBindError>().toExtend<Error>()
    expectTypeOf<XBindError['code']>().toEqualTypeOf<XBindErrorCode>()
    expectTypeOf<'REPLAYED'>().toExtend<XBindErrorCode>()
    expectTypeOf<'replayed'>().not.toExtend<XBindErrorCode>()
    expectTypeOf<XBindError['hint']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<XBindError['retryable']>().toEqualTypeOf<boolean>()
    expectTypeOf<XBindError['messageId']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<NonNullable<XBindError['remote']>>().toExtend<{ code: string; message: string; data?: unknown }>()
  })

  test('a HandlerError carries a code and data', () => {
    expectTypeOf(HandlerError).toBeConstructibleWith('NO_STOCK', 'sold out')
    expectTypeOf(HandlerError).toBeConstructibleWith('NO_STOCK', 'sold out', { data: { left: 0 }, cause: new Error() })
    // @ts-expect-error: a message is required
    void new HandlerError('NO_STOCK')
  })
})

describe('agents', () => {
  test('the configuration', () => {
    expectTypeOf(AutoGenxBindAgent).toBeConstructibleWith()
    const sign = (data: Uint8Array) => data
    expectTypeOf(AutoGenxBindAgent).toBeConstructibleWith({
      name: 'writer',
      verbose: true,
      logger: console,
      agentOptions: { bus: new MessageBus(), timeoutMs: 1, inbox: { maxMessages: 1 }, concurrency: 1 },
      identityProvider: { getDID: () => 'did:key:z', sign },
    })
    void new AutoGenxBindAgent({ identityProvider: { getDID: () => 'did:key:z', sign: async (data) => sign(data) } })
    expectTypeOf(AutoGenxBindAgent).toBeConstructibleWith({
      handler: async ({ payload }: IncomingCall) => payload,
      onHandlerError: (error: unknown, call: { id: string; from: string; method: string | undefined }) =>
        console.error(error, call),
    })
    type Ask = { topic: string }
    const typed: Handler<Ask, number> = async ({ payload }) => payload.topic.length
    expectTypeOf(AutoGenxBindAgent).toBeConstructibleWith({ handler: typed })
    expectTypeOf(AutoGenxBindAgent).toBeConstructibleWith({
      handler: ({ payload }: IncomingCall<Ask>) => payload.topic,
    })
    void new AutoGenxBindAgent({ handler: ({ payload }) => expectTypeOf(payload).toEqualTypeOf<unknown>() })
    void AutoGenxBindAgent.fromIdentity(bytes, { handler: typed })
    void approvals(agent, () => true, typed)
    // @ts-expect-error: a handler takes a call
    void new AutoGenxBindAgent({ handler: (topic: string) => topic })
    // @ts-expect-error: a name is text
    void new AutoGenxBindAgent({ name: 1 })
    // @ts-expect-error: a provider signs
    void new AutoGenxBindAgent({ identityProvider: { getDID: () => 'did:key:z' } })
    // @ts-expect-error: no such option
    void new AutoGenxBindAgent({ nickname: 'w' })
  })

  test('from an exported identity', () => {
    expectTypeOf(AutoGenxBindAgent.fromIdentity(bytes, { passphrase: 'p', name: 'writer' })).resolves.toEqualTypeOf<
      Result<AutoGenxBindAgent>
    >()
    expectTypeOf(AutoGenxBindAgent.fromIdentity).parameter(0).toEqualTypeOf<Uint8Array | string>()
  })

  test('call: the caller says what it expects', () => {
    expectTypeOf(agent.call('writer', { topic: 1 })).resolves.toEqualTypeOf<Result<unknown>>()
    expectTypeOf(agent.call<string>('writer', null)).resolves.toEqualTypeOf<Result<string | DeliveryReceipt>>()
    expectTypeOf(agent.call<string>('writer', null, { method: 'm' })).resolves.toEqualTypeOf<Result<string>>()
    void agent.call('writer', null, { timeoutMs: 1, signal: new AbortController().signal })
    // @ts-expect-error: a payload is required, if only null
    void agent.call('writer')
  })

  test('send and receive', () => {
    expectTypeOf(agent.send('writer', 1)).resolves.toEqualTypeOf<Result<DeliveryReceipt>>()
    expectTypeOf(agent.receive<string>({ max: 1, waitMs: 1 })).resolves.toEqualTypeOf<Result<Message<string>[]>>()
    expectTypeOf(agent.messages<string>()).toExtend<AsyncIterable<Message<string>>>()
    expectTypeOf<Message['kind']>().toEqualTypeOf<'message' | 'call'>()
    expectTypeOf<Message['issuedAt']>().toEqualTypeOf<Date>()
  })

  test('handle: types of payload and answer, sync or async', () => {
    agent.handle<{ topic: string }, number>(({ from, payload, signal }) => {
      expectTypeOf(from).toEqualTypeOf<string>()
      expectTypeOf(payload).toEqualTypeOf<{ topic: string }>()
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
      return 1
    })
    expectTypeOf(agent.handle(async () => null, { allow: ['did:key:z'] })).toEqualTypeOf<AutoGenxBindAgent>()
    agent.handle(null).handle((call) => expectTypeOf(call).toEqualTypeOf<IncomingCall>(), {
      allow: (from) => from.startsWith('did:'),
    })
    // @ts-expect-error: the answer is a number
    agent.handle<unknown, number>(() => 'one')
  })

  test('stream: the parts are what the caller expects, the result is for him to look at', async () => {
    const stream = agent.stream<{ token: string }>('writer', { topic: 'x' }, { timeoutMs: 5, method: 'm' })
    expectTypeOf(stream).toEqualTypeOf<AnswerStream<{ token: string }>>()
    expectTypeOf(stream).toExtend<AsyncIterableIterator<{ token: string }>>()
    expectTypeOf(stream.result).toEqualTypeOf<Promise<Result<unknown>>>()
    for await (const part of stream) expectTypeOf(part).toEqualTypeOf<{ token: string }>()
    for await (const part of agent.stream('writer', null)) expectTypeOf(part).toBeUnknown()
    // @ts-expect-error: it comes with the stream
    stream.result = Promise.resolve()
    // @ts-expect-error: no such option
    agent.stream('writer', null, { window: 3 })
    // @ts-expect-error: a stream is no promise
    agent.stream('writer', null).then(() => 1)
  })

  test('handlers answer in parts', () => {
    agent.handle(async function* ({ payload }: IncomingCall<string>) {
      yield payload
      return 7
    })
    agent.handle<string>(({ payload }) => ReadableStream.from([payload]))
    agent.handle('method', async function* () {
      yield 1
    })
    const output = {} as StandardSchema<number>
    agent.handle(
      'method',
      async function* () {
        yield 1
      },
      { output },
    )
    expectTypeOf(agent.handle('method', () => 1, { output })).toEqualTypeOf<AutoGenxBindAgent>()
    agent.handle(
      'method',
      async function* () {
        yield 'one'
      },
      // @ts-expect-error: the schema says number
      { output },
    )
  })

  test('progress', async () => {
    const onProgress = (progress: Progress): void => {
      expectTypeOf(progress).toEqualTypeOf<{
        readonly progress?: number
        readonly total?: number
        readonly message?: string
      }>()
    }
    await agent.call('writer', null, { onProgress, maxTotalTimeoutMs: 5 })
    agent.stream('writer', null, {
      onProgress: ({ message }) => expectTypeOf(message).toEqualTypeOf<string | undefined>(),
    })
    agent.handle(({ progress }) => {
      progress({})
      progress({ progress: 1, total: 2, message: 'half' })
      // @ts-expect-error: a number
      progress({ progress: '1' })
      // @ts-expect-error: no such member
      progress({ percent: 1 })
    })
    // @ts-expect-error: nothing is told of a message
    await agent.send('writer', null, { onProgress })
  })

  test('the rest', () => {
    expectTypeOf(agent.name).toEqualTypeOf<string | undefined>()
    expectTypeOf(agent.getDID()).toEqualTypeOf<string>()
    expectTypeOf(agent.exportIdentity({ passphrase: 'p' })).resolves.toEqualTypeOf<Result<Uint8Array>>()
    expectTypeOf(agent.close()).toEqualTypeOf<void>()
    expectTypeOf(agent.close({ drainMs: 1 })).toEqualTypeOf<Promise<void>>()
    // @ts-expect-error: how long handlers may take is said
    void agent.close({})
    expectTypeOf<AutoGenxBindAgent>().toExtend<AsyncDisposable>()
    const value: unknown = null
    if (isReceipt(value)) expectTypeOf(value).toEqualTypeOf<DeliveryReceipt>()
    expectTypeOf<AutoGenxBindAgent>().toExtend<Disposable>()
    expectTypeOf<Identity>().toExtend<Disposable>()
    // @ts-expect-error: a DID is not given anew
    agent.name = 'reader'
  })

  test('buses', () => {
    expectTypeOf(MessageBus.shared('office')).toEqualTypeOf<MessageBus>()
    expectTypeOf(new MessageBus().agents()).items.toExtend<{ did: string; name: string | undefined }>()
    expectTypeOf<{ agents: () => []; close: () => void }>().not.toExtend<MessageBus>()
  })
})

describe('identities', () => {
  test('made and imported', () => {
    expectTypeOf(Identity.generate()).toEqualTypeOf<Identity>()
    expectTypeOf(Identity.fromSeed(bytes)).toEqualTypeOf<Result<Identity>>()
    expectTypeOf(Identity.fromPKCS8('PEM', { passphrase: 'p' })).toEqualTypeOf<Result<Identity>>()
    // @ts-expect-error: there is no public constructor
    void new Identity()
  })

  test('exported: the format decides the type', () => {
    expectTypeOf(identity.toPKCS8()).toEqualTypeOf<Result<Uint8Array>>()
    expectTypeOf(identity.toPKCS8({ passphrase: 'p', format: 'der' })).toEqualTypeOf<Result<Uint8Array>>()
    expectTypeOf(identity.toPKCS8({ format: 'pem' })).toEqualTypeOf<Result<string>>()
    // @ts-expect-error: no such format
    identity.toPKCS8({ format: 'jwk' })
    expectTypeOf(identity.toPKCS8Async({ passphrase: 'p' })).toEqualTypeOf<Promise<Result<Uint8Array>>>()
    expectTypeOf(identity.toPKCS8Async({ format: 'pem' })).toEqualTypeOf<Promise<Result<string>>>()
    expectTypeOf(Identity.fromPKCS8Async('pem', { passphrase: 'p' })).toEqualTypeOf<Promise<Result<Identity>>>()
    expectTypeOf<Identity>().toExtend<NonNullable<AgentConfig['identityProvider']>>()
    expectTypeOf(identity.toJWK().crv).toEqualTypeOf<'Ed25519'>()
    // @ts-expect-error: a JWK has no private part
    void identity.toJWK().d
    expectTypeOf(identity.toDIDDocument().id).toEqualTypeOf<string>()
  })

  test('signatures and DIDs', () => {
    expectTypeOf(identity.did).toEqualTypeOf<string>()
    expectTypeOf(identity.publicKey).toEqualTypeOf<Uint8Array>()
    expectTypeOf(identity.sign(bytes)).toEqualTypeOf<Uint8Array>()
    expectTypeOf(identity.sign).parameter(0).toEqualTypeOf<Uint8Array>()
    expectTypeOf(verifySignature(identity.did, bytes, bytes)).toEqualTypeOf<Result<boolean>>()
    expectTypeOf(didToPublicKey('did:key:z')).toEqualTypeOf<Result<Uint8Array>>()
    expectTypeOf(publicKeyToDID(bytes)).toEqualTypeOf<Result<string>>()
    // @ts-expect-error: bytes, not text
    identity.sign('text')
    expectTypeOf(identity.dangerouslySign(bytes)).toEqualTypeOf<Uint8Array>()
  })
})

describe('messages', () => {
  test('seal and open', () => {
    const sealed = identity.seal({ op: 'call', to: 'did:key:z', body: bytes, ttlSeconds: 1 })
    expectTypeOf(sealed).toEqualTypeOf<Result<SealedMessage>>()
    const verifier = new MessageVerifier({ audience: 'did:key:z', now: () => 1, pending: () => undefined })
    expectTypeOf(verifier.open('jws', bytes)).toEqualTypeOf<Result<VerifiedMessage>>()
    expectTypeOf<VerifiedMessage['op']>().toEqualTypeOf<
      'call' | 'send' | 'result' | 'error' | 'receipt' | 'part' | 'progress' | 'cancel' | 'more'
    >()
    // @ts-expect-error: no such operation
    identity.seal({ op: 'shout', to: 'did:key:z', body: bytes })
    // @ts-expect-error: an audience is required
    void new MessageVerifier({})
    // @ts-expect-error: bytes, not text
    verifier.open('jws', 'text')
  })
})
