// The part of ltx 3.1.2 that src/xml.ts uses. Only that file may import it (house.md §7: two classes of one name).
declare module 'ltx/lib/ltx.js' {
  /** An XML element. A child is an element or text. Names keep their prefix; `getName` and `getNS` take it apart. */
  export class Element {
    constructor(name: string, attrs?: Record<string, string>);
    name: string;
    parent: Element | null;
    children: (Element | string)[];
    attrs: Record<string, string | undefined>;
    /** Has this local name and, when given, this namespace. */
    is(name: string, xmlns?: string): boolean;
    /** The name without its prefix. */
    getName(): string;
    getNS(): string | undefined;
    findNS(prefix?: string): string | undefined;
    getAttr(name: string, xmlns?: string): string | null | undefined;
    /** The first child of this local name and, when given, this namespace. */
    getChild(name: string, xmlns?: string): Element | undefined;
    getChildren(name: string, xmlns?: string): Element[];
    getChildElements(): Element[];
    /** The text directly inside, without that of child elements. */
    getText(): string;
    getChildText(name: string, xmlns?: string): string | null;
    root(): Element;
    up(): Element;
    c(name: string, attrs?: Record<string, string>): Element;
    cnode<T extends Element | string>(child: T): T;
    append(...nodes: (Element | string)[]): void;
    prepend(...nodes: (Element | string)[]): void;
    t(text: string): this;
    remove(child: Element | string, xmlns?: string): this;
  }
  export function createElement(name: string, attrs?: Record<string, unknown> | null, ...children: unknown[]): Element;
  export function parse(text: string): Element;
}
