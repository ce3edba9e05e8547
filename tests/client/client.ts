// What an integrator's program does, with the client that was generated from openapi.json: lists and
// filters studies page by page, meets an error, forwards a study, and follows its events. Says what it
// sees as lines of JSON. `tsc` compiling it shows that the types are of use.
import {
  type CloudEvent,
  type Delivery,
  forwardStudy,
  getDestination,
  listDestinations,
  listEvents,
  listStudies,
  type Study,
  type StudyState,
  streamEvents,
} from './router'
import { client } from './router/client.gen'

const [address = '', token = '', patientId = ''] = process.argv.slice(2)

client.setConfig({
  baseUrl: address,
  auth: (scheme) => (scheme.scheme === 'bearer' ? token : undefined),
})

function say(about: string, value: unknown) {
  console.log(JSON.stringify({ about, value }))
}

async function studies(state: StudyState): Promise<Study[]> {
  const found: Study[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<typeof onePage>> = await onePage(state, cursor)
    found.push(...page.items)
    cursor = page.next
  } while (cursor !== null)
  return found
}

async function onePage(state: StudyState, cursor: string | null) {
  const { data } = await listStudies({
    query: { patient_id: patientId, state: [state], modality: 'CT', sort: 'created_at', limit: 1, cursor },
    throwOnError: true,
  })
  return data
}

/** The reason is null while all goes well, and the compiler knows. */
function trouble(delivery: Delivery): string {
  // @ts-expect-error: it may be null
  const careless: string = delivery.reason?.text
  return careless ?? 'none'
}

/** Each type of event has its own data. */
function studyOf(event: CloudEvent): string | undefined {
  switch (event.type) {
    case 'dicomrouter.study-complete.v1':
    case 'dicomrouter.study-forwarded.v1':
      return event.data.study_uid
    case 'dicomrouter.destination-down.v1':
      // @ts-expect-error: a destination is no study
      return event.data.study_uid
    default:
      return undefined
  }
}

async function newestEvent(): Promise<number> {
  let newest = 0
  let more = true
  while (more) {
    const { data } = await listEvents({ query: { after: newest, limit: 500 }, throwOnError: true })
    newest = data.items.at(-1)?.id ?? newest
    more = data.next !== null
  }
  return newest
}

async function main() {
  const sent = await studies('sent')
  say('sent', sent.map((study) => study.study_uid))
  say('failed', (await studies('failed')).length)
  say('troubles', sent.flatMap((study) => study.deliveries.map(trouble)))

  // @ts-expect-error: there is no such state
  const wrong = await listStudies({ query: { state: ['odd'] } })
  say('refused', [wrong.response?.status, wrong.error?.errors?.[0]?.field])
  const nowhere = await getDestination({ path: { name: 'nowhere' } })
  say('unknown', [nowhere.error?.status, nowhere.error?.detail])
  const { data: destinations } = await listDestinations({ throwOnError: true })
  say('destinations', destinations.items.map((each) => [each.name, each.down?.reason.kind ?? 'up']))

  const [first] = sent
  if (first === undefined) throw new Error('no study was sent')
  const before = await newestEvent()
  const stop = new AbortController()
  const { stream } = await streamEvents({ query: { after: before }, signal: stop.signal })
  const { data: accepted } = await forwardStudy({
    path: { study_uid: first.study_uid },
    body: { destination: 'default', only_missing: false },
    throwOnError: true,
  })
  say('accepted', accepted.command)
  for await (const event of stream) {
    say('event', [event.type, studyOf(event)])
    if (event.type === 'dicomrouter.study-forwarded.v1') {
      say('forwarded', [event.data.study_uid, event.data.destination])
      stop.abort()
      break
    }
  }
}

main().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
