import type { Link } from '../native/binding'
import { checkFunction, checkObject } from '../check'
import { listOf, type RevocationSource, type RevocationSubject } from './revocation'
import { statusLists } from './status-list'
import { clearTimeout, setTimeout } from '../agent/timers'

/** Whether each link was revoked; undefined where nobody can tell. */
export type Standing = readonly (boolean | null | undefined)[]

/**
 * The lists of this package are asked in native memory, all else here: also what a subclass or an object has put in the place
 * of their methods, now or later.
 */
export function sorted(revocations: RevocationSource | readonly RevocationSource[] = []) {
  const sources = Array.isArray(revocations)
    ? [...(revocations as readonly RevocationSource[])]
    : [revocations as RevocationSource]
  for (const source of sources) {
    checkObject(source, 'revocations')
    checkFunction(source.isRevoked, 'revocations.isRevoked')
  }
  const lists = new Map(sources.map((source) => [source, statusLists(source)]))
  return {
    revoked: sources.flatMap((source) => listOf(source) ?? []),
    lists: [...lists.values()].filter((list) => list !== undefined),
    own: () => sources.filter((source) => lists.get(source)?.asksItself() ?? !listOf(source)),
  }
}

/** What the sources say at once about each link; one that takes time does not know. */
export function standingNow(sources: readonly RevocationSource[], links: readonly Link[]): Standing {
  return links.map((link) => conclusion(ask(sources, link).map(atOnce)))
}

/**
 * What the sources say about each link, within that time. If none takes time, it is said at once; otherwise those that needed
 * none are asked again when the others have answered.
 */
export function standingOf(
  sources: readonly RevocationSource[],
  links: readonly Link[],
  timeoutMs: number,
): Standing | Promise<Standing> {
  const asked = links.map((link) =>
    questions(link).map((question) => sources.map((source) => answerOf(source, question))),
  )
  const late = asked.flat(2).some(takesTime)
  if (!late) return asked.map((answers) => conclusion(answers.flat().map(atOnce)))
  return patiently(sources, links, asked, timeoutMs)
}

async function patiently(
  sources: readonly RevocationSource[],
  links: readonly Link[],
  asked: readonly (readonly (readonly unknown[])[])[],
  timeoutMs: number,
): Promise<Standing> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  const inTime = async (answer: unknown): Promise<unknown> => {
    try {
      return await Promise.race([answer, late])
    } catch {
      return undefined
    }
  }
  const came = await Promise.all(asked.map((link) => Promise.all(link.flat().map(inTime))))
  clearTimeout(timer)
  return links.map((link, place) => {
    const first = (asked[place] ?? []).flat()
    const again = questions(link).flatMap((question) => sources.map((source) => [source, question] as const))
    const answers = again.map(([source, question], at) =>
      takesTime(first[at]) ? came[place]?.[at] : atOnce(answerOf(source, question)),
    )
    return conclusion(answers)
  })
}

function answerOf(source: RevocationSource, question: RevocationSubject): unknown {
  try {
    return source.isRevoked(question)
  } catch {
    return undefined
  }
}

/** Every source's answer to every question about a link: anything at all. */
function ask(sources: readonly RevocationSource[], link: Link): unknown[] {
  return questions(link).flatMap((question) => sources.map((source) => answerOf(source, question)))
}

/** Who speaks for the rights is asked about as well as who uses them. */
function questions({ id, issuer, subject, issuedAt, status }: Link): RevocationSubject[] {
  const about: RevocationSubject = { tokenId: id, issuer, issuedAt, ...(status && { status }) }
  return [about, { did: issuer, issuedAt }, { did: subject, issuedAt }].map((question) => Object.freeze(question))
}

function takesTime(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null
}

/** An answer that takes time is none. */
function atOnce(answer: unknown): unknown {
  if (!takesTime(answer)) return answer
  try {
    Promise.resolve(answer).catch(() => {})
  } catch {
    // a promise whose own members throw: it does not know either
  }
  return undefined
}

/** One yes decides, and then one who does not know. */
function conclusion(answers: readonly unknown[]): boolean | undefined {
  if (answers.includes(true)) return true
  return answers.every((answer) => answer === false) ? false : undefined
}
