// What every competitor is asked to carry: requests of about 250 bytes of JSON, replies of about 225.

const BRIEF =
  'Read the quarterly report, list the three risks that changed most since spring, and give a source for each of them.'
const FINDING = 'Supply of parts, currency, and hiring changed most; see pages 4, 11 and 27.'

export const request = (seq) => ({
  task: 'summarise',
  seq,
  document: { id: `report-${seq}`, pages: 48, language: 'en' },
  brief: BRIEF,
  tags: ['finance', 'quarterly'],
  urgent: false,
})

export const reply = ({ payload }) => ({
  seq: payload.seq,
  status: 'done',
  document: payload.document.id,
  finding: FINDING,
  confidence: 0.93,
  tokens: { read: 18_233, written: 412 },
})

// One call, checked: a competitor that answers wrongly or not at all has no speed.
export async function checkedCall(fleet, from, to, seq) {
  const value = await fleet.call(from, to, request(seq))
  if (value.seq !== seq) throw new Error(`asked ${seq}, got an answer to ${value.seq}`)
}

// Every agent keeps `outstanding` calls in flight to its neighbours until it has made `callsPerAgent`.
export async function rush(fleet, { agents, callsPerAgent, outstanding }) {
  let done = 0
  const agentLoop = (from) => {
    let next = 0
    const lane = async () => {
      while (next < callsPerAgent) {
        const seq = next++
        const to = (from + 1 + (seq % (agents - 1))) % agents
        await checkedCall(fleet, from, to, seq)
        done += 1
      }
    }
    return Promise.all(Array.from({ length: Math.min(outstanding, callsPerAgent) }, lane))
  }
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: agents }, (_, from) => agentLoop(from)))
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  return { callsPerSecond: done / seconds, cpuMicros: (cpu.user + cpu.system) / done }
}
