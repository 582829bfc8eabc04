import { EntitySchema } from 'typeorm';
import type { Account, AppPassword } from '../../domain/account.js';
import { type Columns, flag, id, integer, json, key, nullable, text, time, varchar } from './columns.js';

/** `skeleton`: what the username looks like (domain/account.ts). */
export interface AccountRow extends Account {
  skeleton: string;
}

export const AccountSchema = new EntitySchema<AccountRow>({
  name: 'Account',
  tableName: 'accounts',
  columns: {
    id,
    actorId: { ...integer, foreignKey: { target: 'Actor' } },
    username: varchar,
    skeleton: varchar,
    email: varchar,
    passwordHash: varchar,
    state: varchar,
    isAdmin: flag,
    defaultAudience: json,
    askFirst: flag,
    createdAt: time,
    confirmedAt: nullable(time),
    notificationMail: nullable(json),
  } satisfies Columns<AccountRow>,
  indices: [
    { name: 'accounts_actor', columns: ['actorId'], unique: true },
    // Few: the access check asks of everybody whether they are among them.
    { name: 'accounts_inactive', columns: ['actorId'], where: "state <> 'active'" },
    { name: 'accounts_username', columns: ['username'], unique: true },
    { name: 'accounts_skeleton', columns: ['skeleton'], unique: true },
    // A closed account keeps its name for ever, but not its owner's address.
    { name: 'accounts_email', columns: ['email'], unique: true, where: "email <> ''" },
  ],
});

const ofAccount = { ...integer, foreignKey: { target: 'Account', onDelete: 'CASCADE' } } as const;

export const AppPasswordSchema = new EntitySchema<AppPassword>({
  name: 'AppPassword',
  tableName: 'app_passwords',
  columns: {
    id,
    accountId: ofAccount,
    selector: varchar,
    label: varchar,
    hash: varchar,
    createdAt: time,
    lastUsedDay: nullable(time),
    lastUsedBy: nullable(varchar),
    revokedAt: nullable(time),
  } satisfies Columns<AppPassword>,
  indices: [
    { name: 'app_passwords_selector', columns: ['selector'], unique: true },
    { name: 'app_passwords_by_account', columns: ['accountId'] },
  ],
});

export type TokenKind = 'confirm' | 'reset' | 'email' | 'set-password';

/** A link sent by mail. `hash` is the SHA-256 of its token: who reads the table cannot use it. */
export interface Token {
  hash: string;
  kind: TokenKind;
  accountId: number;
  payload: string;
  expiresAt: number;
  createdAt: number;
}

export const TokenSchema = new EntitySchema<Token>({
  name: 'Token',
  tableName: 'tokens',
  columns: { hash: key, kind: varchar, accountId: ofAccount, payload: text, expiresAt: time, createdAt: time } satisfies Columns<Token>,
  indices: [
    { name: 'tokens_by_account', columns: ['accountId'] },
    { name: 'tokens_by_end', columns: ['expiresAt'] },
  ],
});

/** A web session. `idHash` is a hash of what the cookie says. */
export interface Session {
  idHash: string;
  accountId: number | null;
  data: string;
  expiresAt: number;
}

export const SessionSchema = new EntitySchema<Session>({
  name: 'Session',
  tableName: 'sessions',
  columns: { idHash: key, accountId: nullable(ofAccount), data: text, expiresAt: time } satisfies Columns<Session>,
  indices: [
    { name: 'sessions_by_account', columns: ['accountId'] },
    { name: 'sessions_by_end', columns: ['expiresAt'] },
  ],
});

/**
 * A line of the log that chat servers read: something about this account changed for them. Whether it exists is looked up when the line is read.
 * The name stays readable when the account is gone.
 */
export interface ChatChange {
  id: number;
  username: string;
  endsSessions: boolean;
  createdAt: number;
}

export const ChatChangeSchema = new EntitySchema<ChatChange>({
  name: 'ChatChange',
  tableName: 'chat_changes',
  columns: { id, username: varchar, endsSessions: flag, createdAt: time } satisfies Columns<ChatChange>,
});
