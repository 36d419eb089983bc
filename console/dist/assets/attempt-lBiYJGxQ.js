import{l as r}from"./index-DIpWjWB1.js";function m(){const t=r("");return{problem:t,attempt:async e=>{t.value="";try{await e()}catch(a){t.value=a.message}}}}export{m as u};
