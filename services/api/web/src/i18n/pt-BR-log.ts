/** O que diz cada linha dos registros, em português do Brasil. */
import type { LogWords } from "./en-log";

const images = (n: string) => (n === "1" ? "1 imagem" : `${n} imagens`);
const deliveries = (n: string) => (n === "1" ? "1 entrega" : `${n} entregas`);
const DONE: Record<string, string> = {
  created: "adicionou",
  changed: "alterou",
  deleted: "removeu",
};
const DELETED_FOR: Record<string, string> = {
  user: "alguém excluiu o estudo",
  retention: "terminou seu tempo neste disco",
  disk: "falta espaço no disco",
};

export const ptBRLog: LogWords = {
  "service.started": (of) => `O serviço ${of("name")} está em execução`,
  "service.stopping": (of) => `O serviço ${of("name")} está parando`,
  "service.stopped": (of) => `O serviço ${of("name")} parou`,
  "service.failed": () => "Uma parte do serviço terminou por erro nosso e é substituída",
  "setting.ignored": (of) => `A configuração ${of("variable")} é ignorada`,
  "bus.connected": () => "Conectado ao servidor de mensagens",
  "bus.lost": () => "A conexão com o servidor de mensagens caiu",
  "bus.blocked": () => "O servidor de mensagens está sem memória ou disco e não aceita nada",
  "message.retried": (of) => `Uma mensagem de ${of("queue")} falhou e será tentada de novo`,
  "message.parked": (of) =>
    `Uma mensagem de ${of("queue")} falhou de vez: agora é uma mensagem morta`,
  "message.dropped": () => "Uma mensagem foi descartada",
  "queue.replayed": (of) =>
    `${of("by")} repetiu mensagens mortas de ${of("queue")}: ${of("replayed")}`,
  "handler.waiting": (of) => `${of("queue")} espera e continua sozinha`,
  "task.waiting": (of) => `“${of("task")}” espera e continua sozinha`,
  "task.failed": (of) => `“${of("task")}” falhou por um erro inesperado e será tentada de novo`,
  "association.accepted": (of) => `${of("calling_ae_title")} em ${of("peer_address")} conectou-se`,
  "association.ended": (of) =>
    `${of("calling_ae_title")} em ${of("peer_address")} ${
      of("outcome") === "released" ? "terminou" : "foi interrompido"
    }, com ${images(of("receipts"))}${of("refused") === "0" ? "" : `; recusadas: ${of("refused")}`}`,
  "association.rejected": (of) =>
    `${of("calling_ae_title") || "Um remetente"}${of("peer_address") && ` em ${of("peer_address")}`} foi recusado`,
  "instance.refused": () => "Uma imagem foi recusada",
  "tls.reloaded": () => "Os novos arquivos de certificado estão em uso",
  "tls.kept": () => "Os novos arquivos de certificado não podem ser usados",
  "spool.failed": () => "Uma imagem não pôde ser gravada no disco",
  "instance.quarantined": () => "Um arquivo foi para a quarentena",
  "instance.missing": (of) => `Não se acha no disco: ${images(of("count") || "1")}`,
  "quarantine.retried": (of) => `${of("by")} mandou tentar de novo um arquivo da quarentena`,
  "quarantine.deleted": (of) => `${of("by")} removeu um arquivo da quarentena`,
  "spool.swept": () => "Foram aceitas imagens que nenhuma mensagem tinha anunciado",
  "loose-file.taken": () => "Um arquivo posto na pasta de dados foi recolhido",
  "identity.conflict": () => "Uma imagem veio com um ID de paciente diferente do do estudo",
  "study.complete": (of) => `O estudo está completo: ${images(of("images"))}`,
  "study.deleted": (of) =>
    `Saíram deste disco: ${images(of("images"))}; ${DELETED_FOR[of("why")] ?? of("why")}`,
  "folder.not-empty": () => "A pasta do estudo fica: há nela algo que não é do roteador",
  "folder.restored": (of) => `Voltaram para a pasta do estudo: ${images(of("images"))}`,
  "folder.unknown-files": () => "A pasta de um estudo tem arquivos que o roteador não conhece",
  takeover: () => "Os dados de uma versão anterior são assumidos",
  "data-folder.adopted": (of) => `${of("by")} mandou seguir com outra pasta de dados`,
  "study.routed": (of) =>
    of("deliveries") === "0"
      ? "Por enquanto o estudo não vai a lugar algum: nenhum destino está previsto para ele"
      : `O estudo será enviado: ${deliveries(of("deliveries"))}`,
  "study.requested": (of) => `Foi pedido o envio do estudo para ${of("destinations")}`,
  "bulk.ended": () => "O envio de vários estudos terminou antes da hora",
  "study.held": (of) => `${of("by")} reteve o estudo`,
  "study.released": (of) => `${of("by")} liberou o estudo`,
  "study.discarded": (of) => `${of("by")} excluiu o estudo`,
  "delivery.started": (of) => `${of("destination")}: começa o envio, ${images(of("images"))}`,
  "delivery.ended": (of) => `${of("destination")}: entrega concluída, ${images(of("images"))}`,
  "delivery.retrying": (of) =>
    `${of("destination")}: a tentativa ${of("attempt")} falhou, haverá outra`,
  "delivery.failed": (of) =>
    `${of("destination")}: a entrega falhou de vez, ${images(of("images"))}`,
  "delivery.left": (of) =>
    `${of("destination")}: uma entrega estava em curso quando o serviço parou; continua depois`,
  "destination.down": (of) => `${of("destination")} está fora do ar, ${of("waiting")} em espera`,
  "destination.up": (of) => `${of("destination")} voltou, ${of("waiting")} em espera`,
  "destination.configured": (of) =>
    `${of("by")} ${DONE[of("action")] ?? "definiu"} o destino ${of("destination")}`,
  "route.configured": (of) =>
    `${of("by")} ${DONE[of("action")] ?? "definiu"} a rota ${of("route")}`,
  "destination.none": () => "Não há destino",
  "senders.registered": (of) =>
    `Com o primeiro aparelho, ${of("first")}, foram cadastrados os dos últimos 30 dias: ${of("also") || "nenhum"}`,
  "logs.dropped": (of) => `Linhas de registro que não couberam: ${of("count")}`,
  "library.warned": (of) => `${of("logger")}: ${of("text")}`,
  "alert.sent": (of) => `Um alarme foi enviado: ${of("check")} está em ${of("status")}`,
  "request.done": (of) => `${of("who")}: ${of("method")} ${of("path")}`,
  "request.refused": (of) =>
    `${of("who") || "Alguém sem sessão"}: ${of("method")} ${of("path") || "lugar nenhum"} teve a resposta ${of("status")}`,
  "request.failed": (of) => `${of("method")} ${of("path")} falhou por erro nosso`,
  "access.locked": (of) =>
    `${of("address")} não pode entrar por algum tempo: ${of("failures")} tentativas falharam`,
  "audit.lost": (of) =>
    `A auditoria não pode ser gravada por enquanto; em espera: ${of("entries")}`,
};
