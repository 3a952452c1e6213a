import { checkNumber, checkObject, checkString, known, optional } from '../check'
import { failure, XBindError } from '../errors'
import { clearTimeout, setTimeout } from './timers'

/** How far a call is, as the agent that works on it says. */
export interface Progress {
  /** How much is done. */
  readonly progress?: number
  /** Of how much. */
  readonly total?: number
  /** In words: at most some 4000 bytes. */
  readonly message?: string
}

const WORD = ['progress', 'total', 'message']

/** What a handler says, each member read once. Throws TypeError, and INVALID_PAYLOAD for what is no finite number, or no text. */
export function wordIn(word: Progress): Progress {
  checkObject(word, 'progress')
  known(word, 'progress()', WORD)
  const { progress, total, message } = word
  for (const [what, value] of [
    ['progress', progress],
    ['total', total],
  ] as const) {
    optional(value, checkNumber, what)
    if (value !== undefined && !Number.isFinite(value)) {
      throw new XBindError(failure('INVALID_PAYLOAD', `${what} is ${value}`, 'give a finite number'))
    }
  }
  optional(message, checkString, 'message')
  if (message !== undefined && /\p{Surrogate}/u.test(message)) {
    throw new XBindError(
      failure('INVALID_PAYLOAD', 'message holds half of a surrogate pair', 'give text that UTF-8 can hold'),
    )
  }
  return told(progress, total, message)
}

/** What is not there is left out. */
export function told(
  progress: number | null | undefined,
  total: number | null | undefined,
  message: string | null | undefined,
): Progress {
  return {
    ...(typeof progress === 'number' && { progress }),
    ...(typeof total === 'number' && { total }),
    ...(typeof message === 'string' && { message }),
  }
}

/** How often a caller hears that somebody is asked: at first, so that a short timeout holds too, and later, in milliseconds. */
const SOON = 250
const LATER = 1000
const SOON_WORDS = 20

const WAITING: Progress = Object.freeze({ message: 'waiting for an approval' })

/** Tells a caller again and again that its call waits for an approval, until what is returned is called. */
export function sayingThatItWaits(say: (word: Progress) => void): () => void {
  let timer: NodeJS.Timeout
  const again = (words: number): void => {
    say(WAITING)
    timer = setTimeout(again, words < SOON_WORDS ? SOON : LATER, words + 1).unref()
  }
  again(0)
  return () => clearTimeout(timer)
}
