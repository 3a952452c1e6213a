import { AutoGenxBindAgent, type Result, XBindError } from '@private.me/autogen'

interface Draft {
  readonly title: string
}

using researcher = new AutoGenxBindAgent({ name: 'researcher' })
using writer = new AutoGenxBindAgent({ name: 'writer' })
researcher.handle<number, number>(({ payload }) => payload + 1)
writer.handle<string, Draft>('draft', ({ payload }) => ({ title: payload.toUpperCase() }))

const draft: Result<Draft> = await researcher.call<Draft>('writer', 'identity', { method: 'draft' })
if (!draft.ok) throw draft.error
const title: string = draft.value.title
const count = await writer.call<number>('researcher', 1)
const nobody = await writer.call('nobody', null)
const refused: boolean = !nobody.ok && nobody.error instanceof XBindError && nobody.error.code === 'AGENT_NOT_FOUND'
if (title === 'IDENTITY' && count.ok && count.value === 2 && refused) console.log('the agents talked')
