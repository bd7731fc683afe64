/** Dialogs that a button opens. */
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Dialog, DialogTrigger, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { Action, type ActionProps } from '.';
import { Field } from './controls';

/** What a button asks for before something is done. */
export function Asking({
  button,
  title,
  children,
}: {
  button: ReactNode;
  title: string;
  children(close: () => void): ReactNode;
}) {
  return (
    <DialogTrigger>
      {button}
      <ModalOverlay className="veil" isDismissable>
        <Modal className="modal">
          <Dialog className="dialog">
            {({ close }) => (
              <>
                <Heading slot="title">{title}</Heading>
                {children(close)}
              </>
            )}
          </Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}

interface ButtonsProps {
  yes: string;
  no: string;
  isOff?: boolean;
  close(): void;
  run(): void;
}

/** The ways out of a dialog. */
export function Buttons({ yes, no, isOff = false, close, run }: ButtonsProps) {
  return (
    <div className="buttons">
      <Action onPress={close}>{no}</Action>
      <Action kind="main" isDisabled={isOff} onPress={run}>
        {yes}
      </Action>
    </div>
  );
}

/** What is wrong with a form as a whole. */
export function Fault({ children }: { children: ReactNode }) {
  if (!children) return null;
  return (
    <p className="fault" role="alert">
      {children}
    </p>
  );
}

interface ConfirmProps extends Pick<ActionProps, 'icon' | 'kind' | 'isDisabled'> {
  /** On the button that opens the dialog. */
  name: string;
  /** The name of the button for those who cannot see beside what it stands. */
  label?: string;
  title: string;
  words: string;
  yes: string;
  no?: string;
  /** Where a reason is kept; there is no field for one when left out. */
  reasonHelp?: string;
  /** Does it; what it throws is said in the dialog, which stays open then. */
  run(reason: string | null): Promise<unknown>;
}

/** A change that is confirmed, with a reason where one is kept. */
export function Confirm({ name, label, title, words, yes, no = 'Not now', reasonHelp, run, ...button }: ConfirmProps) {
  const [reason, setReason] = useState('');
  const change = useMutation({ mutationFn: () => run(reason.trim() || null), onSuccess: () => setReason('') });
  return (
    <Asking
      title={title}
      button={
        <Action {...button} {...(label && { 'aria-label': label })} onPress={() => change.reset()}>
          {name}
        </Action>
      }
    >
      {(close) => (
        <>
          <p className="muted">{words}</p>
          {reasonHelp ? (
            <Field label="Reason" value={reason} set={setReason} help={reasonHelp} fault={change.error?.message} />
          ) : (
            <Fault>{change.error?.message}</Fault>
          )}
          <Buttons
            yes={yes}
            no={no}
            isOff={change.isPending}
            close={close}
            run={() => change.mutate(undefined, { onSuccess: close })}
          />
        </>
      )}
    </Asking>
  );
}
