// What has to work on every CPU. Prints `ok`, or fails.
const assert = require('node:assert/strict')
const { AutoGenxBindAgent, Identity, didToPublicKey, verifySignature } = require('../dist/index.cjs')
const { MessageVerifier } = require('../dist/messages.cjs')

const valueOf = (result) => {
  if (result.ok) return result.value
  throw result.error
}
const flipped = (bytes) => bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte))

function knownAnswer() {
  // RFC 8032 section 7.1, TEST 3
  const [seed, publicKey, signature] = [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac' +
      '18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ].map((text) => new Uint8Array(Buffer.from(text, 'hex')))
  const data = new Uint8Array([0xaf, 0x82])
  const identity = valueOf(Identity.fromSeed(seed))
  assert.deepEqual(valueOf(didToPublicKey(identity.did)), publicKey)
  assert.deepEqual(new Uint8Array(identity.sign(data)), signature)
  assert.equal(valueOf(verifySignature(identity.did, data, signature)), true)
  assert.equal(valueOf(verifySignature(identity.did, data, flipped(signature))), false)
  assert.equal(valueOf(verifySignature(identity.did, flipped(data), signature)), false)
}

function oneMessage() {
  const [sender, recipient] = [Identity.generate(), Identity.generate()]
  const body = new TextEncoder().encode('{"n":1}')
  const { jws } = valueOf(sender.seal({ op: 'send', to: recipient.did, body }))
  const open = (bytes) => new MessageVerifier({ audience: recipient.did }).open(jws, bytes)
  assert.equal(valueOf(open(body)).from, sender.did)
  assert.equal(open(flipped(body)).error.code, 'INVALID_SIGNATURE')
}

async function manyMessages() {
  const callee = new AutoGenxBindAgent({ name: 'callee' })
  callee.handle(({ from, payload }) => [from, payload])
  const callers = Array.from({ length: 20 }, () => new AutoGenxBindAgent())
  const bursts = { 'one caller': () => callers[0], 'twenty callers': (n) => callers[n] }
  for (const [name, callerOf] of Object.entries(bursts)) {
    const answers = await Promise.all(callers.map((_, n) => callerOf(n).call('callee', n)))
    const expected = callers.map((_, n) => [callerOf(n).getDID(), n])
    assert.deepEqual(answers.map(valueOf), expected, name)
  }
  for (const agent of [callee, ...callers]) void agent.close()
}

knownAnswer()
oneMessage()
void manyMessages().then(() => console.log('ok'))
