import QRCode from 'qrcode';
import { nameOf } from '../../domain/actor.js';
import type { Faults } from '../forms.js';
import type { Member } from '../visit.js';
import { useVisit } from '../visit.js';
import { OutPage } from '../views/Layout.js';
import { Address, CopyButton, FaultSummary, Field, Help, Icon, PostForm } from '../views/parts.js';

/** A QR code as SVG, in the drawings' colours: no image, no style attribute. */
export function QrCode({ text, label }: { text: string; label: string }) {
  const { modules } = QRCode.create(text, { errorCorrectionLevel: 'M' });
  let path = '';
  for (let y = 0; y < modules.size; y++) {
    for (let x = 0; x < modules.size; x++) if (modules.get(y, x)) path += `M${x} ${y}h1v1h-1z`;
  }
  const box = modules.size + 8; // four modules of quiet zone (ISO/IEC 18004)
  return (
    <svg class="qr" viewBox={`-4 -4 ${box} ${box}`} width="176" height="176" role="img" aria-label={label}>
      <rect x="-4" y="-4" width={box} height={box} fill="#fff" />
      <path fill="#1b2320" shape-rendering="crispEdges" d={path} />
    </svg>
  );
}

const CLIENTS = [
  { name: 'Conversations', systems: 'Android', href: 'https://conversations.im/', icon: 'phone' },
  { name: 'Monal', systems: 'iPhone, iPad, Mac', href: 'https://monal-im.org/', icon: 'phone' },
  { name: 'Gajim', systems: 'Windows, Linux', href: 'https://gajim.org/', icon: 'laptop' },
];

interface WelcomeProps {
  /** The fresh app password: shown this once. */
  password?: string;
  hasAppPassword: boolean;
  hasContacts: boolean;
  faults?: Faults;
}

export function WelcomePage({ password, hasAppPassword, hasContacts, faults }: WelcomeProps) {
  const { t, account, actor, site } = useVisit() as Member;
  const chat = site.chatDomain !== '';
  const chatDone = hasAppPassword && password === undefined;
  const chatNow = chat && !chatDone;
  const state = (done: boolean, now: boolean) => (done ? t.welcome.done : now ? t.welcome.now : t.welcome.next);
  const classOf = (done: boolean, now: boolean) => (done ? 'step step--done' : now ? 'step step--now' : 'step');
  const Head = ({ title, done, now }: { title: string; done: boolean; now: boolean }) => (
    <div class="step__head">
      <h2>{title}</h2>
      <span class="step__state">{state(done, now)}</span>
    </div>
  );
  return (
    <OutPage title={t.welcome.title} faulty={!!faults} mainClass="welcome">
      <h1>{t.welcome.heading(nameOf(actor))}</h1>
      <p>{(!chat || chatDone) && hasContacts ? t.welcome.allDone : t.welcome.steps[chat ? 2 : 1]}</p>
      <FaultSummary faults={faults} />
      <ol class="steps">
        <li class="step step--done">
          <Head title={t.welcome.address} done now={false} />
          <div class="step__body">
            <p class="address">
              <Address local={account.username} domain={site.domain} copy={t.welcome.copyAddress} />
            </p>
            <p class="quiet">{t.welcome.addressText}</p>
          </div>
        </li>
        {chat && (
          <li class={classOf(chatDone, chatNow)}>
            <Head title={t.welcome.chat} done={chatDone} now={chatNow} />
            <div class="step__body">
              {password === undefined ? <MakePassword again={hasAppPassword} /> : <FreshLogin password={password} />}
              <div class="stack">
                <h3>{t.welcome.clients}</h3>
                <ul class="clients">
                  {CLIENTS.map(({ name, systems, href, icon }) => (
                    <li key={name}>
                      <a href={href} rel="noreferrer">
                        <Icon name={icon} large />
                        <span>
                          <strong>{name}</strong>
                          <span class="small">{systems}</span>
                        </span>
                      </a>
                    </li>
                  ))}
                </ul>
              </div>
              <p class="row">
                {password !== undefined && (
                  <a class="btn btn--main" href={`xmpp:${account.username}@${site.chatDomain}`}>
                    {t.welcome.open}
                  </a>
                )}
                <a class="btn btn--quiet" href="/">
                  {t.welcome.later}
                </a>
              </p>
            </div>
          </li>
        )}
        <li class={classOf(hasContacts, !chatNow && !hasContacts)}>
          <Head title={t.welcome.find} done={hasContacts} now={!chatNow} />
          <div class="step__body">
            <form method="get" action="/people" class="inline-form">
              <Field name="address" label={t.welcome.findText} help={t.welcome.findHelp} faults={faults} autocomplete="off" plain inline />
              <button class={chatNow ? 'btn' : 'btn btn--main'}>{t.welcome.findButton}</button>
              <Help of="address">{t.welcome.findHelp}</Help>
            </form>
          </div>
        </li>
      </ol>
    </OutPage>
  );
}

function MakePassword({ again }: { again: boolean }) {
  const { t } = useVisit();
  return (
    <PostForm action="/settings/app-passwords" class="form">
      <input type="hidden" name="from" value="welcome" />
      <input type="hidden" name="label" value={t.welcome.firstLabel} />
      <p class="quiet">{again ? t.welcome.chatHave : t.welcome.chatMake}</p>
      <p>
        <button class={again ? 'btn' : 'btn btn--main'}>{t.welcome.chatButton}</button>
      </p>
    </PostForm>
  );
}

function FreshLogin({ password }: { password: string }) {
  const { t, account, site } = useVisit() as Member;
  return (
    <>
      <div class="login">
        <dl>
          <div>
            <dt>{t.welcome.logInAs}</dt>
            <dd class="address">
              <Address local={account.username} domain={site.chatDomain} copy={t.welcome.copyChat} icon />
            </dd>
          </div>
          <div>
            <dt>{t.welcome.withPassword}</dt>
            <dd class="secret__word">
              <code id="app-password">{password}</code>
              <CopyButton what={t.welcome.copyPassword} />
            </dd>
          </div>
        </dl>
        <div class="login__qr">
          <QrCode text={`xmpp:${account.username}@${site.chatDomain}`} label={t.welcome.qr} />
          <p class="small quiet">{t.welcome.qrText}</p>
        </div>
      </div>
      <p class="note" role="status">
        <Icon name="info" />
        <span>{t.welcome.once}</span>
      </p>
    </>
  );
}
