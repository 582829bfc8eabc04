import type { ComponentChildren } from 'preact';
import { useVisit } from '../visit.js';
import { AppPage } from './Layout.js';
import { Back, Icon, PostForm } from './parts.js';

interface ConfirmProps {
  /** Of what is to be deleted; the form goes to `PATH/delete`. */
  path: string;
  title: string;
  text: string;
  button: string;
  /** What is to be deleted, to look at once more. */
  children: ComponentChildren;
}

/** The page before something is deleted. */
export function ConfirmDelete({ path, title, text, button, children }: ConfirmProps) {
  const { t } = useVisit();
  return (
    <AppPage title={title} tab={null}>
      <Back href={path} words={t.comments.back} />
      <div class="page-head">
        <h1>{title}</h1>
        <p>{text}</p>
      </div>
      <PostForm action={`${path}/delete`}>
        <p class="row">
          <button class="btn btn--bad">
            <Icon name="trash" />
            {button}
          </button>
          <a class="btn btn--quiet" href={path}>
            {t.post.keep}
          </a>
        </p>
      </PostForm>
      {children}
    </AppPage>
  );
}
